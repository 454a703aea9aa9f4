package podrole

import (
	"os"
	"path/filepath"
	"testing"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
)

// load loads a configuration: the file's content, in account 123456789012 with the profile dev.
func load(t testing.TB, content string) *config.Loaded {
	t.Helper()
	file := filepath.Join(t.TempDir(), "f.yaml")
	const base = "credentials: {source_profile: dev}\naws: {account_id: 123456789012}\n"
	if err := os.WriteFile(file, []byte(base+content), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := config.Load(config.Sources{File: file})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// rulesOf compiles kubernetes.rules.
func rulesOf(t testing.TB, rules string) *Rules {
	t.Helper()
	return New(load(t, "kubernetes: {enabled: true, rules: {"+rules+"}}").Config)
}

// any allows pods every name.
const anyRole = `namespaces: {"*": {allow: ["*", "arn:*"]}}`

const (
	kube2iamRole = "iam.amazonaws.com/role"
	irsaRole     = "eks.amazonaws.com/role-arn"
	ours         = "mock-ec2-metadata/role"
)

type annotations = map[string]string

// pod is the pod shop/web-1 of the service account checkout.
func pod(own annotations) *caller.Pod {
	return &caller.Pod{UID: "0123", Namespace: "shop", Name: "web-1", ServiceAccount: "checkout", Annotations: own}
}

// want compares the outcome of a decision.
func want(t *testing.T, d Decision, arn, source string) {
	t.Helper()
	if d.ARN != arn || d.Source != source || d.Denied != "" {
		t.Errorf("got %s by %q, denied %q; want %s by %q", d.ARN, d.Source, d.Denied, arn, source)
	}
	if (d.Credentials != nil) != (d.Name != "") {
		t.Errorf("name %q, credentials %v", d.Name, d.Credentials)
	}
	if d.Credentials != nil && d.Credentials.IAMRole != arn {
		t.Errorf("credentials of %s", d.Credentials.IAMRole)
	}
}

// wantDenied compares the reason of a denial.
func wantDenied(t *testing.T, d Decision, name, denied string) {
	t.Helper()
	if d.Denied != denied || d.Name != name || d.Credentials != nil {
		t.Errorf("got %q: %s\nwant %q: %s", d.Name, d.Denied, name, denied)
	}
}

func arn(name string) string { return "arn:aws:iam::123456789012:role/" + name }
