package main

import (
	"archive/zip"
	"compress/flate"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// writeZip writes a zip archive of the directory dir. All files have the time mtime, and the order is that of their names.
func writeZip(out, dir string, mtime time.Time) (err error) {
	file, err := os.Create(out)
	if err != nil {
		return err
	}
	defer func() {
		if closed := file.Close(); err == nil {
			err = closed
		}
	}()
	archive := zip.NewWriter(file)
	archive.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
	parent := filepath.Dir(filepath.Clean(dir))
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error { // in the order of names
		if err != nil {
			return err
		}
		name, err := filepath.Rel(parent, path)
		if err != nil {
			return err
		}
		return addToZip(archive, path, filepath.ToSlash(name), entry, mtime)
	})
	if err != nil {
		return err
	}
	return archive.Close()
}

func addToZip(archive *zip.Writer, path, name string, entry fs.DirEntry, mtime time.Time) error {
	header := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: mtime}
	if entry.IsDir() {
		header.Name, header.Method = name+"/", zip.Store
		header.SetMode(fs.ModeDir | 0o755)
		_, err := archive.CreateHeader(header)
		return err
	}
	info, err := entry.Info()
	if err != nil {
		return err
	}
	header.SetMode(info.Mode() & 0o755) // not what the umask of this machine adds
	to, err := archive.CreateHeader(header)
	if err != nil {
		return err
	}
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	_, err = io.Copy(to, from)
	return err
}
