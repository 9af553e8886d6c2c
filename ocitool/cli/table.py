"""Every command: its words, its one-line summary, the module that holds it, the heading it stands under.

The single source for help, completion and the reference pages. A command's module is imported when the
command is called, so this table must not import any.
"""

from typing import Final, NamedTuple


class Command(NamedTuple):
    """One command. `path` are its words, `module` is below ocitool.cli.cmd."""

    path: str
    summary: str
    module: str
    section: str


COMMANDS: Final = (
    Command("build", "Compile, pack and publish a multi-arch image from a folder", "build", "Build"),
    Command("init", "Write an ocitool.toml to begin with", "init", "Build"),
    Command("push", "Publish what `build -t` left in this machine's store", "push", "Build"),
    Command("merge", "Make one index of what a build matrix pushed", "merge", "Build"),
    Command("verify-build", "Build again, and tell whether a published digest comes out", "verify_build", "Build"),
    Command("base lock", "Write a file that pins the bases of a build by digest", "base_lock", "Build"),
    Command("images", "List the images in this machine's store", "images", "Build"),
    Command("cache prune", "Empty this machine's store", "cache_prune", "Build"),
    Command("login", "Keep a user name and password for a registry", "login", "Registry"),
    Command("logout", "Forget the user name and password for a registry", "logout", "Registry"),
    Command("doctor", "Tell what can be compiled here, and by what", "doctor", "Build"),
    Command("inspect", "Show an image or index as a table of platforms", "inspect", "Look"),
    Command("diff", "Compare two images, platform by platform", "diff", "Look"),
    Command("files", "List the files of an image as a container would see them", "files", "Look"),
    Command("cat", "Print a file of an image", "cat", "Look"),
    Command("export", "Write the merged root filesystem to a directory or a tar", "export", "Look"),
    Command("base status", "Tell whether the bases of images moved", "base_status", "Look"),
    Command("digest", "Print the digest that a name means", "digest", "Look"),
    Command("tags", "List the tags of a repository", "tags", "Look"),
    Command("catalog", "List the repositories of a registry", "catalog", "Look"),
    Command("run", "Answer `docker run`: nothing is run, and no emulator needed", "run", "Build"),
    Command("buildx build", "Build a Dockerfile, by buildx's words and defaults", "buildx_build", "Build"),
    Command("buildx bake", "Build the targets of a bake file", "buildx_bake", "Build"),
    Command("buildx create", "Print the name of a builder that need not be", "buildx_create", "Build"),
    Command("buildx use", "Choose a builder: any name will do", "buildx_use", "Build"),
    Command("buildx ls", "List the builders: the one that is none", "buildx_ls", "Build"),
    Command("buildx inspect", "Print the platforms that can be built", "buildx_inspect", "Build"),
    Command("buildx stop", "Stop a builder: none runs", "buildx_stop", "Build"),
    Command("buildx rm", "Remove builders: none is there", "buildx_rm", "Build"),
    Command("buildx prune", "Empty this machine's store but for kept images", "buildx_prune", "Build"),
    Command(
        "buildx imagetools create",
        "Make an index of images as docker does",
        "buildx_imagetools_create",
        "Build",
    ),
    Command("buildx imagetools inspect", "Show an image as docker does", "buildx_imagetools_inspect", "Build"),
    Command("buildx version", "Print who answers here", "buildx_version", "Build"),
    Command("index create", "Make an index of images that exist and publish it", "index_create", "Index"),
    Command("index add", "Put images into a published index, replacing their platforms", "index_add", "Index"),
    Command("index remove", "Take entries out of a published index", "index_remove", "Index"),
    Command("index filter", "Keep only some entries of a published index", "index_filter", "Index"),
    Command("index annotate", "Set annotations, and what entries say they are for", "index_annotate", "Index"),
    Command("index convert", "Docker to OCI and back, children included", "index_convert", "Index"),
    Command("index flatten", "Leave one level of an index of indexes", "index_flatten", "Index"),
    Command("index order", "Sort the entries of a published index", "index_order", "Index"),
    Command("config edit", "Change what the configs of a published image say", "config_edit", "Index"),
    Command("config get", "Print the exact bytes of an image's config", "config_get", "Content"),
    Command("append", "Put files on top of a published image, every platform at once", "append", "Index"),
    Command("squash", "Make one layer of a published image's, every platform at once", "squash", "Index"),
    Command("strip", "Take files out of all layers of a published image", "strip", "Index"),
    Command("recompress", "Compress the layers of a published image otherwise", "recompress", "Index"),
    Command("rebase", "Put a published image onto another base, every platform at once", "rebase", "Index"),
    Command("manifest create", "Create a local list of images", "manifest_create", "Index"),
    Command("manifest annotate", "Set what an image of a local list is for", "manifest_annotate", "Index"),
    Command("manifest inspect", "Print a list or an image manifest", "manifest_inspect", "Index"),
    Command("manifest push", "Publish a local list", "manifest_push", "Index"),
    Command("manifest rm", "Forget local lists", "manifest_rm", "Index"),
    Command("manifest get", "Print the exact bytes of a manifest", "manifest_get", "Content"),
    Command("manifest put", "Store exact bytes as a manifest", "manifest_put", "Content"),
    Command("blob get", "Print or save a blob, verified", "blob_get", "Content"),
    Command("blob put", "Store a file as a blob", "blob_put", "Content"),
    Command("blob head", "Tell whether a blob is there, and its size", "blob_head", "Content"),
    Command("check", "Tell what is broken in a published image or index", "check", "Look"),
    Command("sign", "Sign an image or index with a key", "sign", "Trust"),
    Command("verify", "Tell whether an image is signed with a key", "verify", "Trust"),
    Command("sbom", "List what is in an image, as a bill of materials", "sbom", "Trust"),
    Command("referrers", "Show what is attached to an image, as a tree", "referrers", "Trust"),
    Command("attach", "Attach files to an image or index", "attach", "Trust"),
    Command("detach", "Delete what refers to an image", "detach", "Trust"),
    Command("key generate", "Make a key that signs, encrypted as cosign does", "key_generate", "Trust"),
    Command("key public", "Print the public half of a key", "key_public", "Trust"),
    Command("artifact push", "Push files as an artifact, by the conventions of ORAS", "artifact_push", "Artifact"),
    Command("artifact pull", "Pull the files of an artifact into a folder", "artifact_pull", "Artifact"),
    Command("artifact list", "List the files of an artifact", "artifact_list", "Artifact"),
    Command("repair", "Mend what check finds, by a plan that is shown first", "repair", "Index"),
    Command("copy", "Copy images from one place to another, bytes unchanged", "copy", "Look"),
    Command("sync", "Keep repositories alike, as a file says", "sync", "Look"),
    Command("tag", "Let further tags hold what a name holds", "tag", "Index"),
    Command("delete", "Delete a tag, or a manifest by its digest", "delete", "Content"),
    Command("prune", "Delete tags that no rule keeps, and what only they reach", "prune", "Content"),
    Command("undo", "Take the last change of a tag back", "undo", "Index"),
    Command("explain", "Tell what a rule or an exit code means, and what to do", "explain", "Help"),
    Command("schema", "Print the JSON Schema of ocitool.toml, for editors", "schema", "Help"),
    Command("completion", "Print the completion script of a shell", "completion", "Help"),
)

GROUPS: Final = {
    "index": "Create and edit multi-arch indexes",
    "config": "What images say of themselves",
    "base": "What images are built upon",
    "buildx": "What `docker buildx` does to build, without a builder",
    "imagetools": "What `docker buildx imagetools` does",
    "manifest": "What `docker manifest` does, word for word; and single manifests",
    "blob": "Single blobs of a repository or layout",
    "cache": "This machine's store",
    "key": "Keys that sign and verify",
    "artifact": "Files in registries, as ORAS has them",
}
"""Summaries of the words that hold several commands."""

ALIASES: Final = {"buildx b": "build", "buildx f": "bake"}
"""Other words for a command, by the words before it and this one, as docker has them."""

ELSEWHERE: Final = {
    "pull": "ocitool copy REF oci:DIR takes an image here, ocitool export its files",
    "cp": "ocitool copy takes an image from one place to another",
    "auth": "ocitool login keeps a user name and password for a registry",
    "version": "ocitool --version",
    "retag": "ocitool tag lets further tags hold it, ocitool copy takes it to another repository",
    "promote": "ocitool copy takes an image to another repository, ocitool tag gives it a further tag",
    "save": "ocitool copy REF docker-archive:FILE writes an archive, as ocitool build -o docker-archive:FILE does",
    "load": "ocitool build --load gives it to an engine; ocitool copy docker-archive:FILE REF publishes an archive",
    "bake": "ocitool buildx bake",
    "imagetools": "ocitool buildx imagetools",
    "lint": "ocitool build --check looks at a Dockerfile, ocitool check at an image",
    "ls": "ocitool tags lists the tags of a repository",
    "list-tags": "ocitool tags lists the tags of a repository",
    "config show": "ocitool config get prints an image's config, ocitool inspect --config that of each",
    "flatten": "ocitool squash makes one layer of an image's, ocitool index flatten one index of several",
    "mutate": "ocitool config edit changes labels, variables and the like of a published image",
    "validate": "ocitool check tells what is broken",
    "rm": "ocitool delete removes a tag; ocitool index remove takes a platform out",
    "rmi": "ocitool delete removes a tag",
    "index rm": "ocitool index remove takes entries out",
    "index delete": "ocitool index remove takes entries out",
    "buildx install": "nothing is to be installed: ocitool build and ocitool buildx build are there",
    "buildx uninstall": "nothing was installed",
    "buildx du": "ocitool images lists what is kept, and ocitool cache prune makes room",
    "buildx history": "ocitool build --metadata-file FILE writes what a build made",
}
"""Words of docker, crane, skopeo and regctl that are no commands here, and what does their work."""
