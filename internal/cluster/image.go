package cluster

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// loadTimeout bounds loading an image: tools copy it to each node, in turn.
const loadTimeout = 5 * time.Minute

// maxImageManifest bounds manifest.json of an archive.
const maxImageManifest = 1 << 20

// errNoImage is for systems whose own executable cannot be the image's.
var errNoImage = errors.New("image: only the program for Linux can make it of itself; build it with ./build-docker.sh kube, save it with docker save " +
	"and name the file with --image-archive, or push it and name it with --image")

// provide makes the image available to the nodes, and returns what the pods' containers say of it.
func (c *Cluster) provide(ctx context.Context, info *Info, running []pod) (Rendered, error) {
	r := Rendered{Namespace: c.opt.Namespace, Image: c.opt.Image.Ref, PullPolicy: pullIfMissing}
	if r.Image != "" {
		c.out.line(markOK, "image", "%s, which the nodes pull", r.Image)
		return r, nil
	}
	tag, err := c.tag(info)
	if err != nil {
		return r, err
	}
	r.Image = tag
	r.PullPolicy = pullNever
	if missing := nodesWithout(info, running, tag); len(missing) == 0 { // from an up before, or loaded by hand
		c.out.line(markOK, "image", "%s, which all nodes have", tag)
		if c.opt.Image.Archive != "" {
			c.out.line(markNote, "image", "%s is not loaded: give another image another tag", c.opt.Image.Archive)
		}
		return r, nil
	}
	l, err := c.loaderFor(ctx, info)
	if err != nil {
		return r, err
	}
	if c.opt.DryRun {
		for _, command := range l.commands(c.archiveName()) {
			c.out.line(markNote, "image", "%s would be loaded: %s", tag, l.shown(command, c.archiveName()))
		}
		return r, nil
	}
	if err := c.load(ctx, l); err != nil {
		return r, err
	}
	c.out.line(markOK, "image", "%s, loaded by %s", tag, l.args[0])
	return r, nil
}

// tag is the name of the image that is loaded.
func (c *Cluster) tag(info *Info) (string, error) {
	if c.opt.Image.Archive != "" {
		return ArchiveTag(c.opt.Image.Archive)
	}
	if c.opt.Image.Write == nil {
		return "", errNoImage
	}
	for _, n := range info.nodes {
		if arch := n.Status.NodeInfo.Architecture; arch != "" && arch != c.opt.Image.Arch && n.absent() == "" {
			return "", fmt.Errorf("image: this program is for %s, but node %s is %s; use the program for %s, or an image for all with --image",
				c.opt.Image.Arch, n.Metadata.Name, arch, arch)
		}
	}
	return c.opt.Image.Tag, nil
}

func (c *Cluster) archiveName() string {
	if c.opt.Image.Archive != "" {
		return c.opt.Image.Archive
	}
	return program + ".tar"
}

// nodesWithout are the present nodes that neither say that they have the image nor run it. Nodes tell their 50 largest images alone.
func nodesWithout(info *Info, running []pod, tag string) []string {
	var missing []string
	for _, n := range info.nodes {
		has := slices.ContainsFunc(n.images(), func(name string) bool { return isImage(name, tag) }) ||
			slices.ContainsFunc(running, func(p pod) bool {
				image, _ := p.Spec.image()
				return p.Spec.NodeName == n.Metadata.Name && image == tag && p.isReady()
			})
		if !has && n.absent() == "" {
			missing = append(missing, n.Metadata.Name)
		}
	}
	return missing
}

// load writes the archive, if it is not a file already, and loads it.
func (c *Cluster) load(ctx context.Context, l loader) error {
	archive := c.opt.Image.Archive
	if archive == "" {
		dir, err := os.MkdirTemp("", program+"-*")
		if err != nil {
			return fmt.Errorf("image: %w", err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		archive = filepath.Join(dir, program+".tar")
		if err := writeArchive(archive, c.opt.Image.Write); err != nil {
			return fmt.Errorf("image: %w", err)
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, loadTimeout, fmt.Errorf("no end within %s", loadTimeout))
	defer cancel()
	for i, command := range l.commands(archive) {
		if err := c.loadBy(ctx, command, archive, l.stdin); err != nil {
			return fmt.Errorf("image: %s: %w\n%s", l.shown(l.commands(c.archiveName())[i], c.archiveName()), err, otherWays)
		}
	}
	return nil
}

func (c *Cluster) loadBy(ctx context.Context, command Command, archive string, stdin bool) error {
	if stdin {
		file, err := os.Open(archive) //nolint:gosec // the file of --image-archive, or our own
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		command.Stdin = file
	}
	_, err := c.opt.Runner.Run(ctx, command)
	return err
}

func writeArchive(path string, write func(io.Writer) error) error {
	file, err := os.Create(path) //nolint:gosec // in a folder that was just made
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(file, 1<<20)
	return errors.Join(write(out), out.Flush(), file.Close())
}

// ArchiveTag is the first name of the image in an archive as docker save writes it, compressed with gzip or not.
func ArchiveTag(path string) (string, error) {
	file, err := os.Open(path) //nolint:gosec // the file of --image-archive
	if err != nil {
		return "", fmt.Errorf("--image-archive: %w", err)
	}
	defer func() { _ = file.Close() }()
	tag, err := archiveTag(bufio.NewReader(file))
	if err != nil {
		return "", fmt.Errorf("--image-archive %s: %w; docker save IMAGE:TAG writes one that can be read", path, err)
	}
	return tag, nil
}

func archiveTag(in *bufio.Reader) (string, error) {
	var archive io.Reader = in
	if magic, err := in.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		if archive, err = gzip.NewReader(in); err != nil {
			return "", err
		}
	}
	files := tar.NewReader(archive)
	for {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return "", errors.New("it has no manifest.json")
		}
		if err != nil {
			return "", errors.New("it is no tar archive")
		}
		if filepath.Clean(header.Name) != "manifest.json" {
			continue
		}
		var images []struct{ RepoTags []string }
		if err := json.NewDecoder(io.LimitReader(files, maxImageManifest)).Decode(&images); err != nil {
			return "", fmt.Errorf("its manifest.json cannot be read: %w", err)
		}
		if len(images) == 0 || len(images[0].RepoTags) == 0 {
			return "", errors.New("its image has no name")
		}
		return images[0].RepoTags[0], nil
	}
}
