//go:build e2e && linux

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/imagefile"
)

func TestImagefile_DockerLoadsAndRunsIt(t *testing.T) {
	docker, bin := needEngine(t), buildStatic(t)
	tag, err := imagefile.Tag(bin)
	if err != nil {
		t.Fatal(err)
	}
	archive, err := os.Create(filepath.Join(t.TempDir(), "image.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = archive.Close() }()
	if err := imagefile.Write(archive, imagefile.Options{Executable: bin, Tag: tag, Version: "1.2.3"}); err != nil {
		t.Fatal(err)
	}
	reference := imagefile.Name + ":" + tag
	t.Cleanup(func() { _, _ = docker("image", "rm", "--force", reference) })
	if out, err := docker("load", "--input", archive.Name()); err != nil || out != "Loaded image: "+reference {
		t.Fatalf("docker load: %v\n%s", err, out)
	}
	if out, err := docker("run", "--rm", "--network", "none", reference, "version"); err != nil || !strings.HasPrefix(out, "mock-ec2-metadata ") {
		t.Errorf("docker run: %v\n%s", err, out)
	}
}
