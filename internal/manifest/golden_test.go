package manifest

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// update writes the golden files anew: go test ./internal/manifest -update.
var update = flag.Bool("update", false, "write the golden files")

// plainManifest is what users apply. All but its head is the golden file of Default.
const plainManifest = "../../deploy/kubernetes/mock-ec2-metadata.yaml"

// changed returns Default with a change.
func changed(change func(o *Options)) Options {
	o := Default()
	change(&o)
	return o
}

// cases are options, by the name of their golden file. test/charts has the values with which the chart renders the same objects.
func cases() map[string]Options {
	return map[string]Options{
		"no-host-pid":    changed(func(o *Options) { o.HostPID = false }),
		"no-events":      changed(func(o *Options) { o.Events = false }),
		"pods-alone":     changed(func(o *Options) { o.ServiceAccounts, o.Namespaces = false, false }),
		"namespaces":     changed(func(o *Options) { o.ServiceAccounts = false }),
		"pod-identity":   changed(func(o *Options) { o.PodIdentity, o.NetworkPolicies = true, []string{"shop"} }),
		"mount":          changed(func(o *Options) { o.Credentials, o.MountPath, o.User = Mount, "/home/me/.aws", 1000 }),
		"secret":         changed(func(o *Options) { o.Credentials, o.SecretName = Secret, "ci-keys" }),
		"mock":           changed(func(o *Options) { o.Credentials = Mock }),
		"network-policy": changed(func(o *Options) { o.NetworkPolicies, o.Cilium = []string{"shop", "jobs"}, true }),
		"image-and-nodes": changed(func(o *Options) {
			o.Namespace, o.Image, o.PullPolicy = "aws", "localhost/mock-ec2-metadata-kube:0123456789ab", "Never"
			o.NodeSelector = map[string]string{"kubernetes.io/os": "linux"}
			o.Config = "kubernetes: {enabled: true}\n"
		}),
	}
}

// golden compares text with a file, which -update writes.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs; if that is meant: go test ./internal/manifest -update\n%s", file, diff)
	}
}

func TestYAML_PlainManifestIsThatOfDefault(t *testing.T) {
	text, err := os.ReadFile(plainManifest)
	if err != nil {
		t.Fatal(err)
	}
	head, _, found := bytes.Cut(text, []byte("---\n"))
	if !found {
		t.Fatal("the head does not end with ---")
	}
	for line := range strings.Lines(string(head)) {
		if !strings.HasPrefix(line, "#") {
			t.Fatalf("the head has the line %q", line)
		}
	}
	golden(t, plainManifest, append(append(bytes.Clone(head), "---\n"...), YAML(Default())...))
}

func TestYAML_GoldenFiles(t *testing.T) {
	all := cases()
	for name, o := range all {
		t.Run(name, func(t *testing.T) {
			if err := o.Check(); err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", name+".yaml"), YAML(o))
		})
	}
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		if _, known := all[name]; !known && name != "oneshot" {
			t.Errorf("%s belongs to no case", file)
		}
	}
}

func TestOneShot_GoldenFile(t *testing.T) {
	o := Default()
	golden(t, "testdata/oneshot.yaml", Encode(Cleanup(o, "node1"), Probe(o, "node1"), AWSFiles(o, "[default]\nregion = eu-west-1\n", "")))
}

func TestYAML_SameOptionsSameBytes(t *testing.T) {
	for range 20 {
		if !bytes.Equal(YAML(Default()), YAML(Default())) {
			t.Fatal("two calls differ")
		}
	}
}
