package charts

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// build does what kubectl kustomize does.
func build(t *testing.T, dir string) map[string]object {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := built.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, text)
}

func TestKustomization_HasTheObjectsOfThePlainManifest(t *testing.T) {
	if diff := cmp.Diff(parse(t, read(t, plainManifest)), build(t, deploy+"/kubernetes")); diff != "" {
		t.Error(diff)
	}
}

// overlay is a kustomization as the head of ours shows it.
const overlay = `
resources: [base]
namespace: aws
images:
  - {name: mock-ec2-metadata-kube, newName: registry.example.com/kube, newTag: "1.0"}
labels:
  - {pairs: {team: platform}}
`

func TestKustomization_TakesNamespaceImageAndLabels(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "base"), os.DirFS(deploy+"/kubernetes")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(overlay), 0o600); err != nil {
		t.Fatal(err)
	}
	all := build(t, dir)
	for key, o := range all {
		if o.at("metadata", "labels", "team") != "platform" {
			t.Errorf("%s lacks the label", key)
		}
	}
	for _, test := range []struct {
		key  string
		path []string
		want any
	}{
		{"Namespace <nil>/aws", []string{"kind"}, "Namespace"},
		{"ServiceAccount aws/mock-ec2-metadata", []string{"kind"}, "ServiceAccount"},
		{"ClusterRoleBinding <nil>/mock-ec2-metadata", []string{"subjects", "namespace"}, "aws"},
		{"DaemonSet aws/mock-ec2-metadata", []string{"spec", "template", "spec", "containers", "image"}, "registry.example.com/kube:1.0"},
		{"DaemonSet aws/mock-ec2-metadata", []string{"spec", "selector", "matchLabels", "team"}, nil},
	} {
		if got := all[test.key].at(test.path...); got != test.want {
			t.Errorf("%s: %v is %v, want %v", test.key, test.path, got, test.want)
		}
	}
}
