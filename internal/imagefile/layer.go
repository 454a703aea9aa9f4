package imagefile

import (
	"archive/tar"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// entry is a directory of the image, if its name ends in "/", or a file.
type entry struct {
	name string // relative to the root
	mode int64
	from string // the file on this machine
	size int64  // of that file
}

// entries are the image's file system: that of the Dockerfile's final stage. Sorted by name, directories precede what is in them.
func entries(o Options) []entry {
	all := []entry{
		{name: "conf/"},
		{name: "etc/"},
		{name: "etc/ssl/"},
		{name: "etc/ssl/certs/"},
		{name: "etc/ssl/certs/ca-certificates.crt", mode: 0o644, from: o.CABundle},
		{name: "home/"},
		{name: "home/mock/"},
		{name: "home/mock/.aws/"},
		{name: "home/mock/.local/"},
		{name: "home/mock/.local/state/"},
		{name: "home/mock/.local/state/mock-ec2-metadata/"},
		{name: strings.TrimPrefix(Program, "/"), mode: 0o755, from: o.Executable},
		{name: "tmp/", mode: 0o1777},
	}
	if o.Zoneinfo != "" {
		all = append(all, entry{name: "usr/"}, entry{name: "usr/share/"}, entry{name: "usr/share/zoneinfo.zip", mode: 0o644, from: o.Zoneinfo})
	}
	slices.SortFunc(all, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	return all
}

// layer is the only one of the image. It is not compressed: so its bytes do not depend on the version of a compressor.
type layer struct {
	entries []entry
	blob    blob
}

// measure finds the layer's size and digest, which the archive needs ahead of the layer.
func measure(all []entry) (*layer, error) {
	for i := range all {
		if all[i].from == "" {
			continue
		}
		info, err := os.Stat(all[i].from)
		if err != nil {
			return nil, err
		}
		all[i].size = info.Size()
	}
	l := &layer{entries: all}
	var err error
	l.blob, err = l.write(io.Discard)
	return l, err
}

// copy writes the layer as measured.
func (l *layer) copy(w io.Writer) error {
	got, err := l.write(w)
	if err == nil && got != l.blob {
		err = errors.New("a file has changed while it was read; try again")
	}
	return err
}

// write writes the layer, and says what it has written.
func (l *layer) write(w io.Writer) (blob, error) {
	hash, size := sha256.New(), new(counter)
	archive := tar.NewWriter(io.MultiWriter(w, hash, size))
	for _, e := range l.entries {
		if err := e.write(archive); err != nil {
			return blob{}, err
		}
	}
	if err := archive.Close(); err != nil {
		return blob{}, err
	}
	return blob{digest: hex.EncodeToString(hash.Sum(nil)), size: int64(*size)}, nil
}

func (e *entry) write(archive *tar.Writer) error {
	if strings.HasSuffix(e.name, "/") {
		return archive.WriteHeader(directoryHeader(e.name, cmp.Or(e.mode, 0o755)))
	}
	if err := archive.WriteHeader(fileHeader(e.name, e.mode, e.size)); err != nil {
		return err
	}
	file, err := os.Open(filepath.Clean(e.from))
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if _, err := io.Copy(archive, file); err != nil { // an error too if it has grown
		return fmt.Errorf("%s: %w", e.from, err)
	}
	return nil
}

// fileHeader and directoryHeader have root as the owner and no time.
func fileHeader(name string, mode, size int64) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: size, ModTime: epoch, Format: tar.FormatUSTAR}
}

func directoryHeader(name string, mode int64) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: mode, ModTime: epoch, Format: tar.FormatUSTAR}
}

// counter counts the bytes written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
