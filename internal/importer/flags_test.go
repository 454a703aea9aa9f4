package importer

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func flagsYAML(t *testing.T, args ...string) (string, []string) {
	t.Helper()
	return importYAML(t, Options{As: "flags", Args: args})
}

func TestFlags_BecomeKeys(t *testing.T) {
	for _, tc := range []struct {
		name string
		args []string
		want string
	}{
		{
			"aws-mock-metadata", strings.Fields("--availability-zone=eu-west-1a --instance-id i-0aaaaaaaaaaaaaaa1 --hostname h --private-ip 10.0.0.9 --vpc-id vpc-1 --role-name web --role-arn arn:aws:iam::012345678901:role/web --app-port 45000"),
			`credentials:
  iam_role: arn:aws:iam::012345678901:role/web
  mock: true # made-up credentials; for real ones write source_profile: PROFILE instead
aws:
  availability_zone: eu-west-1a
ec2:
  local_ipv4: 10.0.0.9
  instance_id: i-0aaaaaaaaaaaaaaa1
  hostname: h
  vpc_id: vpc-1
`,
		},
		{
			"kube2iam", strings.Fields("/kube2iam --base-role-arn=arn:aws:iam::012345678901:role --default-role=none-such --iam-role-key my/role --iam-role-session-ttl=1h --node=$(NODE_NAME) --host-ip=$(HOST_IP) --iptables=true --verbose"),
			`credentials:
  duration: 1h
kubernetes:
  enabled: true
  annotations:
    role: [my/role]
  base_role_arn: arn:aws:iam::012345678901:role/
  rules:
    default_role: none-such
    namespaces:
      "*":
        allow: ["*"]
`,
		},
		{
			"kube2iam with restrictions", strings.Fields("--base-role-arn=arn:aws:iam::012345678901:role/ --namespace-restrictions --namespace-key=my/roles"),
			`kubernetes:
  enabled: true
  annotations:
    allowed_roles: [my/roles]
  base_role_arn: arn:aws:iam::012345678901:role/
  rules:
    namespaces:
      "*":
        allow: ["*"]
    namespace_annotations: true
`,
		},
		{
			"a switch, behind which a word is no value", strings.Fields("--namespace-restrictions /kube2iam --default-role=web"),
			`kubernetes:
  enabled: true
  rules:
    default_role: web
    namespaces:
      "*":
        allow: ["*"]
    namespace_annotations: true
`,
		},
		{
			"kiam", strings.Fields("server --role-base-arn=arn:aws:iam::012345678901:role/ --session=kiam --session-duration=20m --bind=0.0.0.0:443"),
			`credentials:
  duration: 20m
kubernetes:
  enabled: true
  base_role_arn: arn:aws:iam::012345678901:role/
  rules:
    namespaces:
      "*":
        allow: ["*"]
    namespace_annotations: true
  session:
    name: kiam-kiam
`,
		},
		{
			"ecs-local",
			[]string{"CLUSTER_ARN=arn:aws:ecs:us-west-2:012345678901:cluster/blue", "TASK_ARN=arn:aws:ecs:us-west-2:012345678901:task/blue/37e873f6", "TASK_DEFINITION_FAMILY=web", "TASK_DEFINITION_REVISION=7"},
			`ecs:
  task:
    cluster: blue
    family: web
    revision: "7"
    arn: arn:aws:ecs:us-west-2:012345678901:task/blue/37e873f6
`,
		},
		{
			"metadataproxy",
			[]string{"DEFAULT_ROLE=web@012345678901"},
			`credentials:
  iam_role: arn:aws:iam::012345678901:role/web # guessed: the role's path is not in the input
  mock: true # made-up credentials; for real ones write source_profile: PROFILE instead
aws:
  account_id: "012345678901"
`,
		},
		{
			"metadataproxy with an ARN",
			[]string{"DEFAULT_ROLE=arn:aws:iam::012345678901:role/a/web"},
			`credentials:
  iam_role: arn:aws:iam::012345678901:role/a/web
  mock: true # made-up credentials; for real ones write source_profile: PROFILE instead
`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, _ := flagsYAML(t, tc.args...)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFlags_AreFoundInManifests(t *testing.T) {
	want, _ := flagsYAML(t, "--base-role-arn=arn:aws:iam::012345678901:role/", "--default-role=web")
	for _, tc := range []struct{ name, in string }{
		{"a manifest of several objects", `---
apiVersion: v1
kind: ServiceAccount
metadata: {name: kube2iam}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: kube2iam}
spec: {template: {spec: {containers: [{name: kube2iam, args: [--base-role-arn=arn:aws:iam::012345678901:role/, --default-role=web]}]}}}
---
`},
		{"a DaemonSet", `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: kube2iam}
spec:
  template:
    spec:
      hostNetwork: true
      containers:
        - {name: proxy, args: ["--other"]}
        - name: kube2iam
          image: jtblin/kube2iam:0.11.0
          args: ["--base-role-arn=arn:aws:iam::012345678901:role/", --default-role, web, "--node=$(NODE_NAME)"]
          env: [{name: NODE_NAME, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
`},
		{"a list of objects", `{"apiVersion": "v1", "kind": "List", "items": [{"kind": "ServiceAccount"}, {"kind": "Pod", "spec": {"containers": [{"command": ["/kube2iam", "--base-role-arn=arn:aws:iam::012345678901:role/", "--default-role=web"]}]}}]}`},
		{"a Compose file", "services:\n  iam:\n    command: --base-role-arn=arn:aws:iam::012345678901:role/ --default-role=web\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got, _ := importYAML(t, Options{}, Input{Name: "f", Content: []byte(tc.in)}); got != want {
				t.Error(cmp.Diff(want, got))
			}
		})
	}
	env, _ := flagsYAML(t, "TASK_DEFINITION_FAMILY=web")
	for _, in := range []string{
		"services: {ecs: {environment: {TASK_DEFINITION_FAMILY: web, ECS_LOCAL_METADATA_PORT: 51679}}}",
		"services: {ecs: {environment: [TASK_DEFINITION_FAMILY=web]}}",
		`{"spec": {"containers": [{"env": [{"name": "TASK_DEFINITION_FAMILY", "value": "web"}]}]}}`,
	} {
		if got, _ := importYAML(t, Options{}, Input{Name: "f", Content: []byte(in)}); got != env {
			t.Errorf("%s: %s", in, cmp.Diff(env, got))
		}
	}
}

func TestFlags_SayWhatIsLost(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{
			[]string{"--namespace-restrictions", "--namespace-restriction-format=regexp"},
			"lost: namespace-restriction-format: annotations of namespaces are patterns here; write regular expressions as re: in kubernetes.rules.namespaces",
		},
		{[]string{"--auto-discover-base-arn"}, "lost: auto-discover-base-arn: there is no EC2 to ask; write kubernetes.base_role_arn and rules.default_role"},
		{[]string{"--role-base-arn-autodetect"}, "lost: role-base-arn-autodetect: there is no EC2 to ask; write kubernetes.base_role_arn"},
		{[]string{"--assume-role-arn=arn:aws:iam::012345678901:role/kiam"}, "lost: assume-role-arn: write a profile that assumes it into ~/.aws/config, and its name as credentials.source_profile"},
		{[]string{"--iam-role-session-ttl=5m"}, "lost: iam-role-session-ttl: 5m; here it is from 15m0s to 12h0m0s"},
		{[]string{"--iam-role-session-ttl=24h"}, "lost: iam-role-session-ttl: 24h; here it is from 15m0s to 12h0m0s"},
		{[]string{"--mock-spot-termination"}, "note: mock-spot-termination: to simulate it: mock-ec2-metadata event spot terminate"},
		{[]string{"TASK_ARN=x"}, `lost: TASK_ARN: ecs.task.arn takes no "x"`},
		{[]string{"DEFAULT_ROLE=web@blue"}, `lost: DEFAULT_ROLE: "blue" is a name of AWS_ACCOUNT_MAP; write the number of the account`},
		{[]string{"--role-name=a", "--role-arn=arn:aws:iam::012345678901:role/b"}, "guessed: role-name: a, but the role of the ARN is b"},
	} {
		if _, notes := flagsYAML(t, tc.args...); !slices.Contains(notes, tc.want) {
			t.Errorf("%q: no note %q, but %q", tc.args, tc.want, notes)
		}
	}
}

func TestFlags_RefuseWrongValues(t *testing.T) {
	const line = "the line after --: "
	for _, tc := range []struct {
		args []string
		want string
	}{
		{nil, "no arguments; write them behind --, such as --as flags -- --base-role-arn=arn:aws:iam::123456789012:role/"},
		{[]string{"--nothing"}, line + "no flag or variable of a tool that is known; these are kube2iam, kiam, aws-mock-metadata, amazon-ecs-local-container-endpoints, metadataproxy"},
		{[]string{"aws-vault", "exec", "work"}, line + "aws-vault has profiles of ~/.aws alone; write source_profile: PROFILE, which reads them"},
		{[]string{"/usr/bin/aws-runas"}, line + "aws-runas has profiles of ~/.aws alone; write source_profile: PROFILE, which reads them"},
		{[]string{"imds-broker"}, line + "imds-broker has profiles of ~/.aws alone; write source_profile: PROFILE, which reads them"},
		{[]string{"--private-ip=x"}, line + `--private-ip: "x" is no value of ec2.local_ipv4`},
		{[]string{"--role-arn=x"}, line + `--role-arn: "x" is not the ARN of a role; write arn:aws:iam::ACCOUNT:role/NAME`},
		{[]string{"--base-role-arn=x"}, line + `--base-role-arn: "x/" is no beginning of a role's ARN; write arn:aws:iam::ACCOUNT:role/`},
		{[]string{"--iam-role-key=a b"}, line + `--iam-role-key: "a b" is no name of an annotation`},
		{[]string{"--iam-role-session-ttl=soon"}, line + `--iam-role-session-ttl: "soon" is no duration; write e.g. 15m`},
		{[]string{"--default-role=a b"}, line + `--default-role: "a b" is no value of kubernetes.rules.default_role`},
	} {
		_, err := Read(nil, Options{As: "flags", Args: tc.args})
		if got := errText(err); got != tc.want {
			t.Errorf("%q:\ngot  %s\nwant %s", tc.args, got, tc.want)
		}
	}
	for _, tc := range []struct{ in, want string }{
		{`{"spec":` + strings.Repeat(`{"a":`, 20) + `{"containers": [{"args": ["--node=x"]}]}` + strings.Repeat("}", 21), "f: no container with arguments; give the manifest of a DaemonSet, or a Compose file"},
		{`{"spec": {}}`, "f: no container with arguments; give the manifest of a DaemonSet, or a Compose file"},
		{`{"services": {"a": {"command": "--node=x"}, "b": {"command": "--session=x"}}}`, "f: b: kiam, and kube2iam elsewhere; import them one by one"},
	} {
		_, err := Read([]Input{{Name: "f", Content: []byte(tc.in)}}, Options{})
		if got := errText(err); got != tc.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tc.in, got, tc.want)
		}
	}
}
