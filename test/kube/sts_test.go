//go:build kube && linux

package kube

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// account is that of all roles of tests.
const account = "123456789012"

// roleARN is the ARN of a role by its name, or path and name.
func roleARN(name string) string { return "arn:aws:iam::" + account + ":role/" + name }

// A laptop is where the product's command runs: a profile in a home of its own, and an STS that knows some roles. Both are inside
// the node's network namespace, and the STS listens on the node's address, so that pods could reach it too.
type laptop struct {
	sts  *stsfake.Server
	home string
	key  stsfake.Key // long-lived, of the profile
	env  []string
}

// newLaptop makes one whose default profile may assume these roles.
func (c *cluster) newLaptop(t *testing.T, roles ...string) *laptop {
	t.Helper()
	return c.laptopWith(t, stsfake.StartOn(t, c.machine.listen(t, nodeAddress+":0")), t.TempDir(), roles...)
}

// laptopWith makes one with a home and an STS that serves.
func (c *cluster) laptopWith(t *testing.T, sts *stsfake.Server, home string, roles ...string) *laptop {
	t.Helper()
	l := &laptop{sts: sts, home: home}
	for _, role := range roles {
		l.sts.AddRole(roleARN(role))
	}
	key := l.sts.AddUser("dev")
	l.key = key
	testutil.Write(t, filepath.Join(l.home, ".aws", "credentials"), fmt.Sprintf(
		"[default]\naws_access_key_id = %s\naws_secret_access_key = %s\nregion = eu-central-1\n", key.AccessKeyID, key.SecretAccessKey))
	l.env = []string{
		"HOME=" + l.home, "XDG_RUNTIME_DIR=" + l.home, "KUBECONFIG=" + c.kubeconfig, "AWS_ENDPOINT_URL_STS=" + l.sts.URL(),
		"AWS_EC2_METADATA_DISABLED=true",
	}
	return l
}

// wantRole checks a credentials document as a pod got it: the STS has issued its key for this role, with these very secrets.
func (l *laptop) wantRole(t *testing.T, document, role string) {
	t.Helper()
	var got struct{ Code, AccessKeyId, SecretAccessKey, Token string } //nolint:revive // as the document spells it
	if err := json.Unmarshal([]byte(document), &got); err != nil {
		t.Errorf("not a credentials document: %v", err)
		return
	}
	issued, ok := l.sts.Issued(got.AccessKeyId)
	if got.Code != "Success" || !ok || got.SecretAccessKey != issued.SecretAccessKey || got.Token != issued.SessionToken {
		t.Errorf("Code %q, and the key is one that STS issued: %t", got.Code, ok)
		return
	}
	if principal := l.sts.Principal(got.AccessKeyId); principal != roleARN(role) {
		t.Errorf("the key is of %s, want %s", principal, roleARN(role))
	}
}

// wantNoSecret checks that a text holds nothing secret that the STS has issued, and not the user's key.
func (l *laptop) wantNoSecret(t *testing.T, what, text string) {
	t.Helper()
	for _, secret := range l.sts.Secrets() {
		if strings.Contains(text, secret) {
			t.Errorf("%s holds a secret", what)
		}
	}
}
