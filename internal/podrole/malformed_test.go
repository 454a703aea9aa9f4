package podrole

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/config"
)

func TestMalformed_AnnotationIsADenial(t *testing.T) {
	r := rulesOf(t, anyRole)
	const (
		neither = ", which is neither a name of roles, NAME or PATH/NAME of a role in IAM, nor an ARN; correct it"
		noARN   = ", which is not the ARN of a role; write arn:aws:iam::ACCOUNT:role/NAME"
		names   = "annotation iam.amazonaws.com/role of the pod names the role "
	)
	long := strings.Repeat("x", 300)
	for _, tt := range []struct{ value, name, denied string }{
		{"a b", "a-b", `"a b"` + neither},
		{"../../etc/passwd\x00", "passwd-", `"../../etc/passwd\x00"` + neither},
		{"a//b", "b", `"a//b"` + neither},
		{"..", "denied", `".."` + neither},
		{"a/.", "denied", `"a/."` + neither},
		{"path/", "denied", `"path/"` + neither},
		{"//x", "x", `"//x"` + neither},
		{"é", "-", `"é"` + neither},
		{"<script>", "-script-", `"<script>"` + neither},
		{long, long[:64], `"` + long[:200] + `..."` + neither},
		{"arn:aws:iam::123456789012:user/x", "x", `"arn:aws:iam::123456789012:user/x"` + noARN},
		{"arn:aws:iam::123456789012:role/..", "denied", `"arn:aws:iam::123456789012:role/.."` + noARN},
		{"arn:aws:iam::x:role/y", "y", `"arn:aws:iam::x:role/y"` + noARN},
		{"arn:", "arn-", `"arn:"` + noARN},
		{strings.Repeat("a/", 1100) + "b", "b", `"` + strings.Repeat("a/", 100) + `..."` + noARN},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wantDenied(t, r.Pod("node1", pod(annotations{kube2iamRole: tt.value})), tt.name, names+tt.denied)
		})
	}
}

func TestMalformed_InputsAreADenialWithoutTheSecret(t *testing.T) {
	r := rulesOf(t, anyRole)
	p := pod(annotations{kube2iamRole: "web", "iam.amazonaws.com/external-id": "hidden value"})
	wantDenied(t, r.Pod("node1", p), "web", "annotation iam.amazonaws.com/external-id of the pod: not an external id; it has 2 to 1224 of letters, digits and _+=,.@:/-")
	p = pod(annotations{kube2iamRole: "web"})
	p.AccountAnnotations = annotations{"mock-ec2-metadata/session-name": "a b"}
	d := r.Pod("node1", p)
	wantDenied(t, d, "web", `annotation mock-ec2-metadata/session-name of the service account shop/checkout: "a b" is not a session name; it has 2 to 64 of letters, digits and _+=,.@-`)
	if d.ARN != arn("web") || d.Source == "" {
		t.Errorf("got %+v", d)
	}
}

func TestMalformed_NameWithoutAnAccount(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f.yaml")
	content := "credentials: {source_profile: dev}\nkubernetes: {enabled: true, rules: {namespaces: {'*': {allow: ['*', 'arn:*']}}}}"
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := config.Load(config.Sources{File: file})
	if err != nil {
		t.Fatal(err)
	}
	r := New(l.Config)
	wantDenied(t, r.Pod("node1", pod(annotations{ours: "web"})), "web",
		`annotation mock-ec2-metadata/role of the pod names the role "web", which is no name of roles, and nothing tells its account; set kubernetes.base_role_arn, or write the ARN`)
	want(t, r.Pod("node1", pod(annotations{ours: arn("web")})), arn("web"), "annotation mock-ec2-metadata/role of the pod")
}
