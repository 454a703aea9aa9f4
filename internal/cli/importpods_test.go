package cli

import (
	"bytes"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/podrole"
)

// importFlagsOf imports a line of another tool, and loads what comes of it.
func importFlagsOf(t *testing.T, line string) *config.Loaded {
	t.Helper()
	var out, errs bytes.Buffer
	args := append([]string{"import", "--as", "flags", "--"}, strings.Fields(line)...)
	if code := Run(t.Context(), Process{Args: args, Stdout: &out, Stderr: &errs, Version: "test"}); code != 0 {
		t.Fatalf("%s: exit %d, %s", line, code, errs.String())
	}
	loaded, err := config.Load(config.Sources{Text: out.Bytes()})
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

func TestImport_PodsOfOtherToolsGetTheirRoles(t *testing.T) {
	const base = "arn:aws:iam::012345678901:role/"
	for _, tt := range []struct {
		name, line  string
		annotations map[string]string // of the namespace
		allowed     bool
	}{
		{"kube2iam", "--base-role-arn=" + base, nil, true},
		{"kube2iam, restricted and allowed", "--namespace-restrictions --base-role-arn=" + base, map[string]string{"iam.amazonaws.com/allowed-roles": `["we*"]`}, true},
		{"kube2iam, restricted to others", "--namespace-restrictions --base-role-arn=" + base, map[string]string{"iam.amazonaws.com/allowed-roles": `["x"]`}, false},
		{"kube2iam, restricted by no annotation", "--namespace-restrictions --base-role-arn=" + base, nil, false},
		{"kube2iam, restricted by another annotation", "--namespace-restrictions --namespace-key=my/roles --base-role-arn=" + base, map[string]string{"my/roles": `["web"]`}, true},
		{"kiam, permitted", "server --role-base-arn=" + base, map[string]string{"iam.amazonaws.com/permitted": "we."}, true},
		{"kiam, others permitted", "server --role-base-arn=" + base, map[string]string{"iam.amazonaws.com/permitted": "x.*"}, false},
		{"kiam without an annotation", "server --role-base-arn=" + base, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rules := podrole.New(importFlagsOf(t, tt.line).Config)
			got := rules.Pod("node", &caller.Pod{Namespace: "shop", Name: "a", Annotations: map[string]string{"iam.amazonaws.com/role": "web"}, NamespaceAnnotations: tt.annotations})
			if (got.Denied == "") != tt.allowed || got.ARN != base+"web" {
				t.Errorf("got %s, denied %q", got.ARN, got.Denied)
			}
		})
	}
}

func TestImport_SessionOfKiamIsNamedAsThere(t *testing.T) {
	loaded := importFlagsOf(t, "server --role-base-arn=arn:aws:iam::012345678901:role/ --session=blue")
	if got := loaded.Config.Kubernetes.Session.Name; got != "kiam-blue" || len(loaded.Warnings) > 0 {
		t.Errorf("session %q, warnings %q", got, loaded.Warnings)
	}
}

func TestImport_UsualDurationIsLeftOut(t *testing.T) {
	for value, want := range map[string]bool{"1h": false, "60m": false, "2h": true} {
		var out, errs bytes.Buffer
		args := []string{"import", "--as", "flags", "--", "--base-role-arn=arn:aws:iam::012345678901:role/", "--iam-role-session-ttl=" + value}
		if code := Run(t.Context(), Process{Args: args, Stdout: &out, Stderr: &errs, Version: "test"}); code != 0 || strings.Contains(out.String(), "duration: "+value) != want {
			t.Errorf("%s: exit %d, %s%s", value, code, out.String(), errs.String())
		}
	}
}
