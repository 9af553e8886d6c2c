// Tells which image of an index podman, buildah and skopeo take: what their library chooses.
//
//	choose-image INDEX ARCHITECTURE   prints a digest
package main

import (
	"fmt"
	"log"
	"os"

	"github.com/containers/image/v5/manifest"
	"github.com/containers/image/v5/types"
)

func main() {
	raw, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	list, err := manifest.ListFromBlob(raw, manifest.GuessMIMEType(raw))
	if err != nil {
		log.Fatal(err)
	}
	chosen, err := list.ChooseInstance(&types.SystemContext{OSChoice: "linux", ArchitectureChoice: os.Args[2]})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(chosen)
}
