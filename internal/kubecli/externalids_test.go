package kubecli

import (
	"strings"
	"testing"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/manifest"
	"mock-ec2-metadata/internal/testutil"
)

const withIDs = `# Roles of the shop.
credentials: {mock: true, iam_role: 'arn:aws:iam::123456789012:role/base', external_id: one-id} # of all
roles:
  a: {iam_role: 'arn:aws:iam::123456789012:role/a', external_id: &id "same-id"}
  b: {iam_role: 'arn:aws:iam::123456789012:role/a', external_id: *id}
  c:
    iam_role: arn:aws:iam::123456789012:role/a
    external_id: 0123456
  external_id:
    iam_role: arn:aws:iam::123456789012:role/a
    external_id: |-
      block-id
kubernetes:
  enabled: true
  annotations:
    external_id: example.com/external-id
  rules:
    namespaces:
      annotations: {allow: ["*"], external_id: same-id}
`

func TestWithoutExternalIDs_HidesAllAndNothingElse(t *testing.T) {
	testutil.IsolateHome(t)
	public, err := withoutExternalIDs([]byte(withIDs))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"one-id", "same-id", "0123456\n", "block-id"} {
		if strings.Contains(string(public), id) {
			t.Errorf("%q is shown:\n%s", id, public)
		}
	}
	if !strings.Contains(string(public), "# Roles of the shop.") || !strings.Contains(string(public), "# of all") {
		t.Errorf("comments are lost:\n%s", public)
	}
	before, after := loadText(t, withIDs), loadText(t, string(public))
	ids := map[string]string{}
	for name, role := range before.Roles {
		now := after.Roles[name]
		if id, seen := ids[role.ExternalID.Reveal()]; seen && id != now.ExternalID.Reveal() {
			t.Errorf("%s: equal ids differ now", name)
		}
		ids[role.ExternalID.Reveal()] = now.ExternalID.Reveal()
		if role.IAMRole != now.IAMRole {
			t.Errorf("%s: role %s", name, now.IAMRole)
		}
	}
	ids[before.Credentials.ExternalID.Reveal()] = after.Credentials.ExternalID.Reveal()
	different := map[string]bool{}
	for _, id := range ids {
		different[id] = true
	}
	if len(ids) != 4 || len(different) != 4 {
		t.Errorf("%d ids have become %d", len(ids), len(different))
	}
	if got := after.Kubernetes.Annotations.ExternalID; len(got) != 1 || got[0] != "example.com/external-id" {
		t.Errorf("annotations: %q", got)
	}
	rule := after.Kubernetes.Rules.Namespaces["annotations"].ExternalID.Reveal()
	if rule != after.Roles["a"].ExternalID.Reveal() {
		t.Errorf("the namespace's id: %q", rule)
	}
}

func loadText(t *testing.T, text string) *config.Config {
	t.Helper()
	loaded, err := config.Load(config.Sources{Text: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return loaded.Config
}

func TestWithoutExternalIDs_LeavesOtherTextsAsTheyAre(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "a:   {b:  1}   # c\n", "roles: {a: {external_id: ''}}\n", manifest.Default().Config} {
		if got, err := withoutExternalIDs([]byte(text)); err != nil || string(got) != text {
			t.Errorf("%q has become %q, %v", text, got, err)
		}
	}
	if _, err := withoutExternalIDs([]byte("a: [")); err == nil {
		t.Error("no error for what is no YAML")
	}
}

// A daemon that calls STS itself needs them.
func TestPlan_ExternalIDsStayWhereTheDaemonCallsSTS(t *testing.T) {
	startSTS(t)
	testutil.Write(t, "f.yaml", withIDs)
	for mode, want := range map[string]bool{manifest.Relay: false, manifest.Mock: false, manifest.Mount: true, manifest.Secret: true} {
		args := []string{"--config", "f.yaml", "--credentials", mode}
		switch mode {
		case manifest.Mount:
			args = append(args, "--mount", "/x")
		case manifest.Secret:
			args = append(args, "--allow-long-lived-keys")
		}
		pl := mustPlan(t, nil, args...)
		if got := strings.Contains(pl.manifest.Config, "same-id"); got != want {
			t.Errorf("%s: the ConfigMap has external ids: %v", mode, got)
		}
		warned := strings.Contains(strings.Join(pl.loaded.Warnings, "\n"), "the ConfigMap shows the external ids of f.yaml")
		if warned != want {
			t.Errorf("%s: warnings %q", mode, pl.loaded.Warnings)
		}
		if pl.loaded.Config.Roles["a"].ExternalID.Reveal() != "same-id" {
			t.Errorf("%s: the laptop has lost the id", mode)
		}
	}
}

func TestPlan_WarnsOfAnAuthorizationInTheConfigMap(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, "f.yaml", "ecs: {authorization: hidden}\nkubernetes: {base_role_arn: 'arn:aws:iam::123456789012:role/'}\n")
	warnings := strings.Join(mustPlan(t, nil, "--config", "f.yaml").loaded.Warnings, "\n")
	if !strings.Contains(warnings, "the ConfigMap shows ecs.authorization of f.yaml: ") || strings.Contains(warnings, "hidden") {
		t.Errorf("warnings: %s", warnings)
	}
}
