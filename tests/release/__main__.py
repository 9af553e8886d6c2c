"""`make dist` and `make image`: the files of a release in `dist/`; the own image, in a layout or pushed."""

import sys

from tests.release import files, image

if __name__ == "__main__":
    sys.exit({"dist": files.main, "image": image.main}[sys.argv[1]](sys.argv[2:]))
