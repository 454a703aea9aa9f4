package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// A deb is an ar archive: this, then for each member a header of 60 bytes and the content, at even offsets (deb(5)).
const (
	arMagic      = "!<arch>\n"
	arHeaderSize = 60
	arSizeAt     = 48 // of the header: 10 digits
	arNameSize   = 16
)

// compressDeb replaces the member data.tar of the deb at path with data.tar.xz. xz's window of 64 MiB holds both programs, which have
// most of their code in common.
func compressDeb(path string) error {
	deb, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	rest, found := bytes.CutPrefix(deb, []byte(arMagic))
	if !found {
		return fmt.Errorf("%s: no ar archive; give a deb", path)
	}
	out, done := []byte(arMagic), false
	for len(rest) > 0 {
		header, content, next, err := arMember(rest)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		rest = next
		if name := strings.TrimRight(string(header[:arNameSize]), "/ "); name == "data.tar" {
			if content, err = compressXZ(content); err != nil {
				return err
			}
			copy(header, fmt.Sprintf("%-*s", arNameSize, "data.tar.xz"))
			copy(header[arSizeAt:], fmt.Sprintf("%-10d", len(content)))
			done = true
		}
		out = append(append(out, header...), content...)
		if len(content)%2 == 1 {
			out = append(out, '\n')
		}
	}
	if !done {
		return fmt.Errorf("%s: no data.tar; make it with compression: none", path)
	}
	return os.WriteFile(path, out, 0o644)
}

// arMember splits the first member off an ar archive. header is a copy.
func arMember(archive []byte) (header, content, rest []byte, err error) {
	if len(archive) < arHeaderSize {
		return nil, nil, nil, fmt.Errorf("ends in a header")
	}
	header = bytes.Clone(archive[:arHeaderSize])
	size, err := strconv.Atoi(strings.TrimSpace(string(header[arSizeAt : arSizeAt+10])))
	if err != nil || size < 0 || len(archive)-arHeaderSize < size {
		return nil, nil, nil, fmt.Errorf("member %q: wrong size", header[:arNameSize])
	}
	content, rest = archive[arHeaderSize:arHeaderSize+size], archive[arHeaderSize+size:]
	if size%2 == 1 && len(rest) > 0 {
		rest = rest[1:]
	}
	return header, content, rest, nil
}

// compressXZ compresses by one thread of xz: more would cut the data into blocks, which are larger together.
func compressXZ(data []byte) ([]byte, error) {
	cmd := exec.Command("xz", "--compress", "--stdout", "-9", "--threads=1")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(data), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("xz: %w; is xz-utils installed?", err)
	}
	return out, nil
}
