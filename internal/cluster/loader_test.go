package cluster

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

func TestLoader_IsThatOfTheKindOfCluster(t *testing.T) {
	for _, test := range []struct {
		name, nodes, want string
		answers           []string
		containerd        string
		missing           []string
		elsewhere         bool
		noContext         bool // of docker
	}{
		{nodes: "minikube", want: "minikube --profile=minikube image load A"},
		{nodes: "minikube-profile", want: "minikube --profile=shop image load A"},
		{nodes: "kind", want: "kind load image-archive A --name kind"},
		{nodes: "kind-podman", want: "KIND_EXPERIMENTAL_PROVIDER=podman kind load image-archive A --name shop"},
		{nodes: "k3d", want: "k3d image import A --cluster my-shop"},
		{nodes: "docker-desktop", want: "docker --context desktop-linux load --input A"},
		{nodes: "docker-desktop", want: "docker load --input A", noContext: true},
		{nodes: "docker-desktop-kind", want: "docker --context desktop-linux exec --interactive desktop-control-plane ctr --namespace k8s.io images import - < A"},
		{nodes: "rancher-desktop", want: "nerdctl --namespace k8s.io load --input A"},
		{nodes: "rancher-desktop-moby", want: "docker --context rancher-desktop load --input A"},
		{nodes: "orbstack", want: "docker --context orbstack load --input A"},
		{nodes: "colima", want: "docker --context colima load --input A"},
		{nodes: "colima-containerd", want: "colima nerdctl --profile work -- --namespace k8s.io load < A"},
		{nodes: "microk8s", want: "microk8s images import < A"},
		{nodes: "k3s", want: "k3s ctr images import A", answers: []string{"/run/k3s/containerd/containerd.sock"}},
		{nodes: "kubeadm-here", want: "ctr --address /run/containerd/containerd.sock --namespace k8s.io images import A", answers: []string{"/run/containerd/containerd.sock"}},
		{
			nodes: "unknown", want: "ctr --address /tmp/c.sock --namespace k8s.io images import A", containerd: "unix:///tmp/c.sock",
			answers: []string{"/tmp/c.sock", "/run/containerd/containerd.sock"}, elsewhere: true,
		},
	} {
		w := newWorld(t, test.nodes)
		w.missing = test.missing
		if test.noContext {
			w.fail["docker context inspect"] = "no such context"
		}
		opt := options(w, &testutil.Buffer{})
		opt.Machine.Answers = func(path string) bool { return slices.Contains(test.answers, path) }
		opt.Machine.Getenv = func(string) string { return test.containerd }
		if test.elsewhere {
			opt.Machine.Addresses = []netip.Addr{netip.MustParseAddr("192.0.2.99")}
		}
		c := newCluster(t, opt)
		info, err := c.Detect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		l, err := c.loaderFor(t.Context(), info)
		if err != nil {
			t.Errorf("%s: %v", test.nodes, err)
			continue
		}
		if got := l.shown(l.commands("A")[0], "A"); got != test.want {
			t.Errorf("%s: %q, want %q", test.nodes, got, test.want)
		}
	}
}

func TestLoader_RefusalsNameTheOtherWays(t *testing.T) {
	ways := "\nOr load the image by hand on each node: mock-ec2-metadata-kube image > FILE, and there: ctr -n k8s.io images import FILE\n" +
		"Or push it to a registry that the nodes can pull from, and name it: mock-ec2-metadata-kube up --image REF"
	for _, test := range []struct {
		name, nodes, want string
		edit              func(*world, *Options)
	}{
		{
			name: "tool", nodes: "kind", want: "image: kind is not on the PATH, which loads images into this cluster; install it" + ways,
			edit: func(w *world, _ *Options) { w.missing = []string{"kind"} },
		},
		{name: "many nodes", nodes: "kubeadm", want: "image: this program knows no way to load it into a cluster of kubeadm with 4 nodes" + ways},
		{name: "elsewhere", nodes: "unknown", want: "image: this program knows no way to load it into a cluster of a kind that is not known with 1 node" + ways},
		{name: "no socket", nodes: "kubeadm-here", want: "image: no socket of containerd answers here; run this as root, or name the socket with CONTAINERD_ADDRESS" + ways},
		{
			name: "no ctr", nodes: "kubeadm-here", want: "image: ctr is not on the PATH, which loads images into containerd at /run/containerd/containerd.sock; install it" + ways,
			edit: func(w *world, o *Options) {
				w.missing = []string{"ctr"}
				o.Machine.Answers = func(path string) bool { return path == "/run/containerd/containerd.sock" }
			},
		},
		{
			name: "failed", nodes: "kind", want: "image: kind load image-archive mock-ec2-metadata-kube.tar --name kind: ERROR: no nodes found for cluster \"kind\"" + ways,
			edit: func(w *world, _ *Options) {
				w.fail["kind load"] = "ERROR: no nodes found for cluster \"kind\"\n"
			},
		},
		{
			name: "not Linux", nodes: "kind", want: "image: only the program for Linux can make it of itself; build it with ./build-docker.sh kube, save it with docker save " +
				"and name the file with --image-archive, or push it and name it with --image",
			edit: func(_ *world, o *Options) { o.Image = Image{} },
		},
		{name: "architecture", nodes: "orbstack", want: "image: this program is for amd64, but node orbstack is arm64; use the program for arm64, or an image for all with --image"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, test.nodes)
			opt := options(w, &testutil.Buffer{})
			if test.edit != nil {
				test.edit(w, &opt)
			}
			c := newCluster(t, opt)
			info, err := c.Detect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.provide(t.Context(), info, nil)
			wantError(t, err, test.want)
		})
	}
}

func TestProvide_HandLoadedImageNeedsNoTool(t *testing.T) {
	w := newWorld(t, "kubeadm")
	out := &testutil.Buffer{}
	c := newCluster(t, options(w, out))
	info, err := c.Detect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range info.nodes[:2] { // the others are away
		info.nodes[i].Status.Images[0].Names = []string{"docker.io/library/" + tag}
	}
	r, err := c.provide(t.Context(), info, nil)
	if err != nil || r.PullPolicy != pullNever || r.Image != tag {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestProvide_ReadsTheArchiveFromStdinWhereTheToolDoes(t *testing.T) {
	w := newWorld(t, "microk8s")
	c := newCluster(t, options(w, &testutil.Buffer{}))
	info, err := c.Detect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.provide(t.Context(), info, nil); err != nil {
		t.Fatal(err)
	}
	if w.stdin["microk8s images import"] != "the archive" {
		t.Errorf("it ran %q", w.ran)
	}
}

func TestArchiveTag_IsReadFromArchivesOfDockerSave(t *testing.T) {
	archive := func(name, text string) []byte {
		var b bytes.Buffer
		files := tar.NewWriter(&b)
		_ = files.WriteHeader(&tar.Header{Name: "layer.tar", Size: 3})
		_, _ = files.Write([]byte("abc"))
		_ = files.WriteHeader(&tar.Header{Name: name, Size: int64(len(text))})
		_, _ = files.Write([]byte(text))
		_ = files.Close()
		return b.Bytes()
	}
	good := archive("manifest.json", `[{"Config":"c.json","RepoTags":["shop/mock:1"],"Layers":["layer.tar"]}]`)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write(good)
	_ = z.Close()
	for _, text := range [][]byte{good, zipped.Bytes()} {
		if got, err := ArchiveTag(testutil.WriteTemp(t, "image.tar", string(text))); err != nil || got != "shop/mock:1" {
			t.Errorf("%q, %v", got, err)
		}
	}
	for _, test := range []struct{ text, want string }{
		{string(archive("manifest.json", `[{"RepoTags":null}]`)), "its image has no name"},
		{string(archive("index.json", `{}`)), "it has no manifest.json"},
		{string(archive("manifest.json", `{`)), "its manifest.json cannot be read: unexpected EOF"},
		{"no archive at all, but text that is longer than one block of tar" + string(make([]byte, 1024)), "it is no tar archive"},
	} {
		path := testutil.WriteTemp(t, "image.tar", test.text)
		_, err := ArchiveTag(path)
		wantError(t, err, "--image-archive "+path+": "+test.want+"; docker save IMAGE:TAG writes one that can be read")
	}
	missing := filepath.Join(t.TempDir(), "none.tar")
	_, err := ArchiveTag(missing)
	wantError(t, err, "--image-archive: open "+missing+": no such file or directory")
}
