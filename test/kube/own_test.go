//go:build kube && linux

package kube

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

// TestOwn_ExampleRequestsOfTheOriginalWorkFromAPod has the four requests that the README of fake-ec2-metadata-service shows.
func TestOwn_ExampleRequestsOfTheOriginalWorkFromAPod(t *testing.T) {
	p := theProduct(t)
	p.disconnect(t)
	p.config = ""
	p.up = startBackground(t, p.command(t, p.binary, "up", "--yes", "--role", "own"))
	p.up.wantFed(t)
	ns := p.namespace(t, nil)
	made := p.runPod(t, ns, "client", podSpec{})
	m := p.ofPod(t, made)
	testutil.Eventually(t, "role", func() bool { return m.get(t, rolesPath).body == "default" })
	for path, want := range map[string]string{
		"local-ipv4":                        nodeAddress,
		"local-hostname":                    ".internal",
		"iam/security-credentials/":         "default",
		"iam/security-credentials/default":  `"Code" : "Success"`,
		"iam/security-credentials/default/": `"Code" : "Success"`,
	} {
		if got := p.exec(t, ns, "client", "wget", "-q", "-O", "-", metadata+path); !strings.Contains(got, want) {
			t.Errorf("%s: want %q in an answer of %d bytes", path, want, len(got))
		}
	}
	document := m.get(t, rolesPath+"default").want(t, http.StatusOK)
	if strings.Contains(document, p.laptop.key.SecretAccessKey) {
		t.Error("the pod gets the long-lived key")
	}
	if n := p.laptop.sts.Calls("GetSessionToken"); n != 1 {
		t.Errorf("%d calls of GetSessionToken, want 1", n)
	}
}

func TestImage_IsTheSameBytesTwice(t *testing.T) {
	p := theProduct(t)
	first, second := p.do(t, "image"), p.do(t, "image")
	if first.code != 0 || len(first.stdout) < 1<<20 || first.stdout != second.stdout {
		t.Errorf("exits %d and %d, %d and %d bytes: %s", first.code, second.code, len(first.stdout), len(second.stdout), first.stderr)
	}
	archive := testutil.Write(t, filepath.Join(p.dir, "twice.tar"), first.stdout)
	p.load(t, archive)
}
