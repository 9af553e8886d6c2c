// Reads files out of an eStargz by the library of the snapshotter, every chunk held to its digest.
//
//	read-estargz BLOB TOC-DIGEST FILE...   prints a line for each file: type, size, sha256 of its content, name
package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/containerd/stargz-snapshotter/estargz"
	"github.com/opencontainers/go-digest"
)

func main() {
	if err := read(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		log.Fatal(err)
	}
}

func read(blob, tocDigest string, names []string) error {
	file, err := os.Open(blob)
	if err != nil {
		return err
	}
	status, err := file.Stat()
	if err != nil {
		return err
	}
	reader, err := estargz.Open(io.NewSectionReader(file, 0, status.Size()))
	if err != nil {
		return err
	}
	verifiers, err := reader.VerifyTOC(digest.Digest(tocDigest))
	if err != nil {
		return err
	}
	for _, name := range names {
		entry, ok := reader.Lookup(name)
		if !ok {
			return fmt.Errorf("no %s", name)
		}
		content, err := reader.OpenFile(name)
		if err != nil {
			return err
		}
		whole := sha256.New()
		for at := int64(0); at < entry.Size; {
			chunk, ok := reader.ChunkEntryForOffset(name, at)
			if !ok {
				return fmt.Errorf("no chunk of %s at %d", name, at)
			}
			verifier, err := verifiers.Verifier(chunk)
			if err != nil {
				return err
			}
			part := io.NewSectionReader(content, chunk.ChunkOffset, chunk.ChunkSize)
			if _, err := io.Copy(io.MultiWriter(verifier, whole), part); err != nil {
				return err
			}
			if !verifier.Verified() {
				return fmt.Errorf("%s at %d has another digest", name, at)
			}
			at = chunk.ChunkOffset + chunk.ChunkSize
		}
		fmt.Printf("%s %d %x %s\n", entry.Type, entry.Size, whole.Sum(nil), name)
	}
	return nil
}
