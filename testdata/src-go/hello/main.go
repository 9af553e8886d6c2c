// Hello prints the platform it was compiled for and its version.
package main

import (
	"fmt"
	"runtime"
)

// version is set when linking: -ldflags "-X main.version=1.2.3".
var version = "dev"

func main() {
	fmt.Printf("hello from %s/%s, version %s\n", runtime.GOOS, runtime.GOARCH, version)
}
