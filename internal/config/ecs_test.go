package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestECS_WrongValuesAreNamed(t *testing.T) {
	const file = "credentials: {mock: true}\nroles: {web: {}, jobs: {}}\n"
	for _, tt := range []struct{ name, yaml, want string }{
		{"listen", "ecs: {listen: x}", `f.yaml:1: ecs.listen: "x" is not host:port; write e.g. 0.0.0.0:5000`},
		{
			"a listener beside the server's", "server: {listen: ['0.0.0.0:5000']}\necs: {enabled: true, listen: '127.0.0.1:5000'}",
			"f.yaml:2: ecs.listen: 127.0.0.1:5000 cannot be opened beside 0.0.0.0:5000, which has the same port on the same interface; choose another port",
		},
		{"the server's listener", "server: {listen: ['127.0.0.1:5000']}\necs: {enabled: true, listen: '127.0.0.1:5000'}", "f.yaml:2: ecs.listen: 127.0.0.1:5000 is in server.listen, too; choose another port"},
		{"the listener of pods", "ecs: {enabled: true, listen: '127.0.0.1:5002'}\npod_identity: {enabled: true, listen: '127.0.0.1:5002'}", "f.yaml:2: pod_identity.listen: 127.0.0.1:5002 is in ecs.listen, too; choose another port"},
		{"a rate", "ecs: {rate: 40}", `f.yaml:1: ecs.rate: "40" is neither off nor a rate; write e.g. 40/60 for 40 requests a second and 60 at once`},
		{"a rate of 0", "ecs: {rate: 0/60}", `f.yaml:1: ecs.rate: "0/60" is neither off nor a rate; write e.g. 40/60 for 40 requests a second and 60 at once`},
		{"authorization with a line end", `ecs: {authorization: "se\ncret"}`, "f.yaml:1: ecs.authorization: holds a control character, such as the end of a line, which no client can send; write it in one line"},
		{"authorization with spaces", `ecs: {authorization: " secret"}`, "f.yaml:1: ecs.authorization: starts or ends with a space, which HTTP takes away; remove it"},
		{"long authorization", "ecs: {authorization: " + strings.Repeat("s", 8193) + "}", "f.yaml:1: ecs.authorization: 8193 bytes; at most 8192"},
		{"both authorizations", "ecs: {authorization: x, authorization_file: /nowhere/x}", "f.yaml:1: ecs.authorization_file: ecs.authorization is set too; keep one of them\nf.yaml:1: ecs.authorization_file: /nowhere/x: no such file"},
		{"no such file", "ecs: {authorization_file: /nowhere/x}", "f.yaml:1: ecs.authorization_file: /nowhere/x: no such file"},
		{
			"by_path", file + "clients: [{from: 10.0.0.1, role: web}]\necs: {by_path: true}",
			"f.yaml:4: ecs.by_path: any client could take any role by its name; set ecs.authorization_file, or clients[].also for those that may",
		},
		{"launch type", "ecs: {task: {launch_type: ec2}}", `f.yaml:1: ecs.task.launch_type: "ec2" is not one of EC2, FARGATE`},
		{"task ARN", "ecs: {task: {arn: x}}", `f.yaml:1: ecs.task.arn: "x" is not the ARN of a task; write arn:aws:ecs:REGION:ACCOUNT:task/CLUSTER/ID`},
		{"cluster", "ecs: {task: {cluster: a b}}", `f.yaml:1: ecs.task.cluster: "a b" is not the name of a cluster; it has 1 to 100 of letters, digits and _-`},
		{"a container without a name", "ecs: {containers: {x: {image: y}}}", "f.yaml:1: ecs.containers.x: has no name; set ecs.containers.x.name"},
		{"an empty container", "ecs: {containers: {x: }}", "f.yaml:1: ecs.containers.x: has no name; set ecs.containers.x.name"},
		{"an endpoint id", "ecs: {containers: {a/b: {name: x}}}", `f.yaml:1: ecs.containers.a/b: "a/b" is not an endpoint id; it has up to 128 of letters, digits and _.-, and is the end of the container's ECS_CONTAINER_METADATA_URI_V4`},
		{"an unknown key of a container", "ecs: {containers: {x: {nam: x}}}", "f.yaml:1: ecs.containers.x.nam: unknown key; did you mean name? allowed in ecs.containers.x: name, image, docker_id, labels, role\nf.yaml:1: ecs.containers.x: has no name; set ecs.containers.x.name"},
		{"a container twice", "ecs:\n  containers:\n    x: {name: x}\n    x: {name: y}", "f.yaml:4: ecs.containers.x: set a second time; the first is in line 3"},
		{"a container's role", file + "ecs: {containers: {x: {name: x, role: wep}}}", `f.yaml:3: ecs.containers.x.role: there is no role "wep"; did you mean web? roles has: jobs, web`},
		{"containers is a list", "ecs: {containers: [x]}", `f.yaml:1: ecs.containers: want a block of "key: value" lines, but this is a list`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := loadText(tt.yaml, nil, nil)
			expectError(t, err, tt.want)
		})
	}
}

func TestECS_AuthorizationFileIsOneLine(t *testing.T) {
	dir := t.TempDir()
	const lineEnd = "AUTH ends with the end of a line, which SDKs refuse in AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE; write it for them without one"
	for _, tt := range []struct{ name, content, want, warning, wrong string }{
		{name: "no line end", content: "secret", want: "secret"},
		{name: "line end", content: "secret\n", want: "secret", warning: lineEnd},
		{name: "CRLF", content: "secret\r\n", want: "secret", warning: lineEnd},
		{name: "line end inside", content: "se\ncret\n", wrong: "AUTH: holds a control character, such as the end of a line, which no client can send; write it in one line"},
		{name: "tab", content: "se\tcret", wrong: "AUTH: holds a control character, such as the end of a line, which no client can send; write it in one line"},
		{name: "empty", content: "\n", wrong: "AUTH: is empty; write what clients must send into it, or leave the key out"},
		{name: "long", content: strings.Repeat("s", 8193), wrong: "AUTH: more than 8192 bytes; no client sends that"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(dir, strings.ReplaceAll(tt.name, " ", "-"))
			must(t, os.WriteFile(file, []byte(tt.content), 0o600))
			l, err := loadText("ecs: {authorization_file: "+file+"}", nil, nil)
			if tt.wrong != "" {
				expectError(t, err, "f.yaml:1: ecs.authorization_file: "+strings.ReplaceAll(tt.wrong, "AUTH", file))
				return
			}
			must(t, err)
			if got := l.Authorization.Reveal(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			warning := ""
			if tt.warning != "" {
				warning = "f.yaml:1: ecs.authorization_file: " + strings.Replace(tt.warning, "AUTH", file, 1)
			}
			if got := strings.Join(l.Warnings, "\n"); got != warning {
				t.Errorf("warnings:\n%s\nwant:\n%s", got, warning)
			}
			if printed := string(l.YAML()); strings.Contains(printed, "secret") {
				t.Errorf("the printed configuration has the secret:\n%s", printed)
			}
		})
	}
}

func TestECS_ByPathIsAllowedWithAuthorizationOrAlso(t *testing.T) {
	for _, content := range []string{
		"ecs: {by_path: true, authorization: x}",
		"roles: {web: {}}\ncredentials: {mock: true}\nclients: [{from: 10.0.0.1, also: web}]\necs: {by_path: true}",
	} {
		mustLoad(t, content, nil, nil)
	}
}

func TestECS_LimitSplitsTheRate(t *testing.T) {
	for rate, want := range map[string][2]int{"off": {}, "40/60": {40, 60}} {
		e := mustLoad(t, "ecs: {rate: "+rate+"}", nil, nil).Config.ECS
		if n, burst := e.Limit(); [2]int{n, burst} != want {
			t.Errorf("%s: got %d, %d", rate, n, burst)
		}
	}
}

func TestECS_ContainersArePrintedAndLoadAgain(t *testing.T) {
	const content = "ecs: {containers: {web-1: {name: web, labels: {tier: front}}, b: {name: b}}}"
	l := mustLoad(t, content, nil, nil)
	again := mustLoad(t, string(l.YAML()), nil, nil)
	if diff := cmp.Diff(l.Config.ECS, again.Config.ECS); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Their own addresses may be covered by one of all interfaces: the address that a client asks says what it gets.
func TestECS_OwnAddressMayBeCovered(t *testing.T) {
	mustLoad(t, "server: {listen: [':80']}\necs: {enabled: true}\npod_identity: {enabled: true}", nil, nil)
}
