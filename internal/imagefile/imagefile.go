// Package imagefile writes the container image of a static executable as an archive, without a container engine. The archive is an OCI image
// layout and what docker load takes at once, so Docker, containerd, CRI-O, Podman and skopeo import it.
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
	"time"
)

const (
	// Program is the path of the executable in the image, and its entry point.
	Program = "/mock-ec2-metadata-kube"
	// Name is the image's without a tag. Of a registry named localhost nothing is ever pulled.
	Name = "localhost/mock-ec2-metadata-kube"

	home        = "/home/mock" // the same place for every user
	defaultUser = "65532:65532"
	tagDigits   = 12
)

// epoch is the time of everything in an archive, which has no other: the same input makes the same bytes.
var epoch = time.Unix(0, 0).UTC()

// Options say what the image holds. Only Executable and Tag are required.
type Options struct {
	// Executable is the path of a static Linux program.
	Executable string
	// CABundle is the path of the trusted certificates in PEM; "" is where this machine has its own.
	CABundle string
	// Zoneinfo is the path of a zoneinfo.zip as Go has it. Without one the program knows UTC alone, which its logs have by default.
	Zoneinfo string
	Name     string   // "" is Name
	Tag      string   // for instance what Tag returns
	Version  string   // of the label org.opencontainers.image.version; "" is no label
	User     string   // UID:GID; "" is 65532:65532
	Env      []string // "KEY=value", after HOME
}

// Tag returns the tag for the image of an executable: 12 hexadecimal digits of its hash. Another executable has another.
func Tag(executable string) (string, error) {
	file, err := os.Open(filepath.Clean(executable))
	if err != nil {
		return "", fmt.Errorf("image's tag: %w", err)
	}
	defer func() { _ = file.Close() }()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", fmt.Errorf("image's tag: %w", err)
	}
	return hex.EncodeToString(hash.Sum(nil))[:tagDigits], nil
}

// Write writes the archive. The same options and files make the same bytes. It reads the files twice, and fails if they change meanwhile.
func Write(w io.Writer, o Options) error {
	if o.Tag == "" {
		return errors.New("image: no tag")
	}
	architecture, err := architectureOf(o.Executable)
	if err != nil {
		return err
	}
	o.CABundle, err = findBundle(o.CABundle)
	if err != nil {
		return err
	}
	o.Name, o.User = cmp.Or(o.Name, Name), cmp.Or(o.User, defaultUser)
	l, err := measure(entries(o))
	if err != nil {
		return fmt.Errorf("image: %w", err)
	}
	d, err := describe(o, architecture, l.blob)
	if err != nil {
		return fmt.Errorf("image: %w", err)
	}
	if err := writeArchive(w, d, l); err != nil {
		return fmt.Errorf("image: %w", err)
	}
	return nil
}

// writeArchive writes the documents and the layer, sorted by name.
func writeArchive(w io.Writer, d *documents, l *layer) error {
	type member struct {
		name string
		size int64
		copy func(io.Writer) error
	}
	plain := func(name string, text []byte) member {
		return member{name: name, size: int64(len(text)), copy: func(w io.Writer) error {
			_, err := w.Write(text)
			return err
		}}
	}
	members := []member{
		plain("oci-layout", d.layout), plain("index.json", d.index), plain("manifest.json", d.docker),
		plain(d.config.path(), d.configText), plain(d.manifest.path(), d.manifestText),
		{name: l.blob.path(), size: l.blob.size, copy: l.copy},
		{name: "blobs/"},
		{name: blobs},
	}
	slices.SortFunc(members, func(a, b member) int { return cmp.Compare(a.name, b.name) })
	archive := tar.NewWriter(w)
	for _, m := range members {
		header := fileHeader(m.name, 0o644, m.size)
		if m.copy == nil {
			header = directoryHeader(m.name, 0o755)
		}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if m.copy != nil {
			if err := m.copy(archive); err != nil {
				return err
			}
		}
	}
	return archive.Close()
}
