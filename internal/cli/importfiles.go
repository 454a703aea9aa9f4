package cli

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"mock-ec2-metadata/internal/importer"
)

// maxImport bounds what an import reads, in bytes: 10,000 instances have about 60 MB.
const maxImport = 256 << 20

// readInputs reads the files, or standard input without any.
func readInputs(stdin io.Reader, files []string) ([]importer.Input, error) {
	if len(files) == 0 {
		files = []string{"-"}
	}
	var inputs []importer.Input
	left := int64(maxImport)
	for _, name := range files {
		in, err := readInput(stdin, name, left)
		if err != nil {
			return nil, err
		}
		left -= int64(len(in.Content))
		inputs = append(inputs, in)
	}
	return inputs, nil
}

// readInput reads one file of at most so many bytes.
func readInput(stdin io.Reader, name string, most int64) (importer.Input, error) {
	in := importer.Input{Name: name}
	from, size := stdin, int64(0)
	if name == "-" {
		in.Name = "standard input"
	} else {
		f, err := os.Open(name) //nolint:gosec // the user names the file
		if err != nil {
			return in, fileError(name, "cannot be read", err)
		}
		defer func() { _ = f.Close() }()
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			size = min(info.Size(), most+1)
		}
		from = f
	}
	var content bytes.Buffer
	content.Grow(int(size) + bytes.MinRead) // not to copy a large file again and again
	_, err := content.ReadFrom(io.LimitReader(from, most+1))
	in.Content = content.Bytes()
	switch {
	case err != nil:
		return in, fileError(in.Name, "cannot be read", err)
	case int64(len(in.Content)) > most:
		return in, fmt.Errorf("%s: more than %d MiB; import fewer instances at a time", in.Name, maxImport>>20)
	}
	return in, nil
}

// fileError puts the name first in an error of package os.
func fileError(name, what string, err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	if linkErr, ok := errors.AsType[*os.LinkError](err); ok {
		err = linkErr.Err
	}
	return fmt.Errorf("%s: %s: %w", name, what, err)
}

// checkOutput refuses a file that exists, before anything is read.
func checkOutput(name string, force bool) error {
	if name == "" {
		return nil
	}
	info, err := os.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fileError(name, "cannot be written", err)
	case info.IsDir():
		return fmt.Errorf("%s: is a directory; name a file in it", name)
	case !force:
		return fmt.Errorf("%s: exists; choose another name, or replace it with --force", name)
	}
	if info.Mode()&fs.ModeSymlink != 0 { // it is replaced, but not /dev/stdout
		if info, err = os.Stat(name); err != nil {
			return nil //nolint:nilerr // a link to nothing
		}
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: is not a regular file; choose another name", name)
	}
	return nil
}

// writeOutput writes a file that only its owner can read. It appears whole or not at all: it is written beside, and renamed.
func writeOutput(name string, text []byte, force bool) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*") // with mode 0600
	if err != nil {
		return fileError(name, "cannot be written", err)
	}
	if err := writeBeside(f, text); err != nil {
		_ = os.Remove(f.Name())
		return fileError(name, "cannot be written", err)
	}
	if err := replaceBy(f.Name(), name, force); err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	return nil
}

// besideFile is what an output is written to first.
type besideFile interface {
	io.WriteCloser
	Sync() error
}

// writeBeside writes all of a file and closes it. A full disk may show only when the file is synced or closed.
func writeBeside(f besideFile, text []byte) error {
	_, err := f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	return cmp.Or(err, f.Close())
}

// replaceBy gives a file the name of the output. Another one that came meanwhile is refused as at first.
func replaceBy(beside, name string, force bool) error {
	if err := checkOutput(name, force); err != nil {
		return err
	}
	if err := os.Rename(beside, name); err != nil {
		return fileError(name, "cannot be written", err)
	}
	return nil
}
