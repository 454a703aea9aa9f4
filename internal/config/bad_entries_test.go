package config

import (
	"strings"
	"testing"
)

func TestLoad_RefusesWrongRolesClientsAndContainers(t *testing.T) {
	const file = "credentials: {mock: true}\nroles: {web: {}, jobs: {}}\n"
	for _, tt := range []struct{ name, yaml, want string }{
		{"roles is a list", "roles: [web]", "f.yaml:1: roles: want a block of roles by name, but this is a list"},
		{"a role is a text", "roles: {web: x}", "f.yaml:1: roles.web: want a block of keys, but this is a single value; allowed here: source_profile, iam_role, session_name, duration, refresh_before, external_id, source_identity, session_tags, transitive_tag_keys, policy, policy_arns, cache, mfa_serial, mock"},
		{"a role called none", "credentials: {mock: true}\nroles: {none: {}}", "f.yaml:2: roles.none: no role can be called none, which is the word for no role; choose another name"},
		{"a role's name", "credentials: {mock: true}\nroles: {a/b: {}}", `f.yaml:2: roles.a/b: "a/b" is not a name of a role; it has 1 to 64 of letters, digits and _+=,.@-`},
		{"a role twice", "credentials: {mock: true}\nroles:\n  web: {}\n  web: {}", "f.yaml:4: roles.web: set a second time; the first is in line 3"},
		{"an unknown key of a role", "roles: {web: {arn: x}}", "f.yaml:1: roles.web.arn: unknown key; did you mean iam_role? allowed in roles.web: source_profile, iam_role, session_name, duration, refresh_before, external_id, source_identity, session_tags, transitive_tag_keys, policy, policy_arns, cache, mfa_serial, mock"},
		{"a role's value", "roles: {web: {iam_role: web}}", `f.yaml:1: roles.web.iam_role: "web" is not the ARN of a role; write arn:aws:iam::ACCOUNT:role/NAME`},
		{"a role's duration", "credentials: {mock: true}\nroles: {web: {duration: 1m}}", "f.yaml:2: roles.web.duration: 1m is not from 15m to 12h"},
		{"a role's refresh_before beyond the inherited duration", "credentials: {mock: true, duration: 15m}\nroles: {web: {refresh_before: 20m}}", "f.yaml:2: roles.web.refresh_before: 20m is not less than credentials.duration, 15m"},
		{"a role without anything", "roles: {web: {duration: 1h}}", "f.yaml:1: roles.web: has neither iam_role nor source_profile, and credentials has none either; set one of them"},
		{"a role's transitive tag", "credentials: {mock: true}\nroles: {web: {transitive_tag_keys: [x]}}", `f.yaml:2: roles.web.transitive_tag_keys: "x" is not a key of credentials.session_tags`},

		{"clients is a block", "clients: {from: x}", "f.yaml:1: clients: want a list, but this is a block of keys"},
		{"an entry is a text", "clients: [x]", "f.yaml:1: clients[0]: want a block of keys, but this is a single value; allowed here: from, listen, role, also, aws, ec2, metadata"},
		{"an empty entry", "clients: [null]", "f.yaml:1: clients[0]: an element of the list is empty"},
		{"neither from nor listen", file + "clients: [{role: web}]", "f.yaml:3: clients[0]: has neither from nor listen, so it does not say which clients it is for; set one of them"},
		{"from is empty", file + "clients: [{from: [], role: web}]", "f.yaml:3: clients[0]: has neither from nor listen, so it does not say which clients it is for; set one of them"},
		{"from is no address", file + "clients: [{from: box}]", `f.yaml:3: clients[0].from: "box" is neither an address nor a CIDR block; write e.g. 192.168.56.11 or 172.20.0.0/16`},
		{"from has a zone", file + "clients: [{from: 'fe80::1%eth0'}]", `f.yaml:3: clients[0].from: "fe80::1%eth0" is neither an address nor a CIDR block; write e.g. 192.168.56.11 or 172.20.0.0/16`},
		{"from has host bits", file + "clients: [{from: 10.1.2.3/16}]", "f.yaml:3: clients[0].from: 10.1.2.3/16 has bits behind its first 16; write 10.1.0.0/16, or 10.1.2.3 for the one address"},
		{"mapped from has host bits", file + "clients: [{from: '::ffff:10.1.2.3/112'}]", "f.yaml:3: clients[0].from: 10.1.2.3/16 has bits behind its first 16; write 10.1.0.0/16, or 10.1.2.3 for the one address"},
		{"listen", file + "clients: [{listen: 5001}]", `f.yaml:3: clients[0].listen: "5001" is not host:port; write e.g. 0.0.0.0:5000`},
		{"listen beside all interfaces", file + "server: {listen: ['0.0.0.0:5001']}\nclients: [{listen: '127.0.0.1:5001'}]", "f.yaml:4: clients[0].listen: 127.0.0.1:5001 cannot be opened beside 0.0.0.0:5001, which has the same port on the same interface; choose another port"},
		{"all interfaces beside listen", file + "clients: [{listen: '127.0.0.1:5001'}, {listen: ':5001'}]", "f.yaml:3: clients[1].listen: :5001 cannot be opened beside 127.0.0.1:5001, which has the same port on the same interface; choose another port"},
		{"an unknown role", file + "clients: [{from: 10.0.0.1, role: wep}]", `f.yaml:3: clients[0].role: there is no role "wep"; did you mean web? roles has: jobs, web`},
		{"an unknown role without roles", "clients: [{from: 10.0.0.1, role: web}]", `f.yaml:1: clients[0].role: there is no role "web", since roles is empty; add it there`},
		{"also", file + "clients: [{from: 10.0.0.1, also: [web, x]}]", `f.yaml:3: clients[0].also[1]: there is no role "x"; roles has: jobs, web`},
		{"an unknown key of an entry", file + "clients: [{form: 10.0.0.1}]", "f.yaml:3: clients[0].form: unknown key; allowed in clients[0]: from, listen, role, also, aws, ec2, metadata"},
		{"a key of the process", file + "clients: [{from: 10.0.0.1, server: {}}]", "f.yaml:3: clients[0].server: unknown key; allowed in clients[0]: from, listen, role, also, aws, ec2, metadata"},
		{"a value of ec2", file + "clients: [{from: 10.0.0.1, ec2: {local_ipv4: x}}]", `f.yaml:3: clients[0].ec2.local_ipv4: "x" is not an IPv4 address`},
		{"a zone of another region", file + "clients: [{from: 10.0.0.1, aws: {region: eu-west-1, availability_zone: us-east-1a}}]", "f.yaml:3: clients[0].aws.availability_zone: us-east-1a is not in aws.region eu-west-1"},
		{"a path of metadata", file + "clients: [{from: 10.0.0.1, metadata: {x: y}}]", "f.yaml:3: clients[0].metadata.x: neither user-data nor a path below meta-data/ or dynamic/"},
		{"a value above a path of the file", "metadata: {meta-data/a: x}\nclients: [{from: 10.0.0.1, metadata: {meta-data/a/b: y}}]", "f.yaml:2: clients[0].metadata.meta-data/a/b: nothing can be below metadata.meta-data/a, which has a value; keep one of them"},
		{"user data twice", file + "clients: [{from: 10.0.0.1, ec2: {user_data: x, user_data_base64: eA==}}]", "f.yaml:3: clients[0].ec2.user_data_base64: ec2.user_data is set too; keep one of them"},
		{"a missing file of user data", file + "clients: [{from: 10.0.0.1, ec2: {user_data_file: /nowhere/x}}]", "f.yaml:3: clients[0].ec2.user_data_file: /nowhere/x: no such file"},

		{"an engine by TCP", "containers: {engine: 'tcp://127.0.0.1:2375'}", `f.yaml:1: containers.engine: "tcp://127.0.0.1:2375" is not a Unix socket; write unix:///var/run/docker.sock`},
		{"a source of roles", "containers: {role: [annotation:x]}", `f.yaml:1: containers.role: "annotation:x" is neither a label nor a variable of a container; write e.g. label:mock-ec2-metadata.role or env:IAM_ROLE`},
		{"allow has no such role", file + "containers: {engine: unix:///e, allow: [web, x]}", `f.yaml:3: containers.allow[1]: there is no role "x"; roles has: jobs, web`},
		{"allow has no ARN", file + "containers: {engine: unix:///e, allow: ['arn:x']}", `f.yaml:3: containers.allow: "arn:x" is not the ARN of a role, with * and ? for what may differ; write e.g. arn:aws:iam::123456789012:role/dev-*`},
		{"allow is *", file + "containers: {engine: unix:///e, allow: ['*']}", `f.yaml:3: containers.allow: * is neither a role nor an ARN; write arn:* for every role of every account, and list the names of roles`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := loadText(tt.yaml, nil, nil)
			expectError(t, err, tt.want)
		})
	}
}

func TestLoad_WarnsOfEntriesThatNeverMatch(t *testing.T) {
	const roles = "credentials: {mock: true}\nroles: {web: {}}\n"
	for _, tt := range []struct {
		name, yaml string
		want       []string
	}{
		{"the same network", roles + "clients: [{from: 10.0.0.0/8}, {from: [10.0.0.0/8]}]", []string{"f.yaml:3: clients[1]: never matches: clients[0] comes first and has the same addresses"}},
		{"one network of two is left", roles + "clients: [{from: 10.0.0.0/8}, {from: [10.0.0.0/8, 192.168.0.0/16]}]", nil},
		{"longer prefixes have all of it", roles + "clients: [{from: 10.0.0.0/8}, {from: 10.0.0.0/9}, {from: [10.128.0.0/10, 10.192.0.0/10]}]", []string{"f.yaml:3: clients[0]: never matches: other entries with longer prefixes have all of its addresses"}},
		{"longer prefixes have half of it", roles + "clients: [{from: 10.0.0.0/8}, {from: 10.0.0.0/9}, {from: 10.128.0.0/10}]", nil},
		{"the same listener", roles + "clients: [{listen: '127.0.0.1:5001'}, {listen: '127.0.0.1:5001', role: web}]", []string{"f.yaml:3: clients[1]: never matches: clients[0] comes first and has the same addresses"}},
		{"the same network at another listener", roles + "clients: [{from: 10.0.0.1}, {from: 10.0.0.1, listen: '127.0.0.1:5001'}, {listen: '127.0.0.1:5001'}]", nil},
		{"listeners of both families", roles + "server: {listen: ['0.0.0.0:5001']}\nclients: [{listen: '[::1]:5001'}, {listen: '127.0.0.1:0'}]", nil},
		{"all listeners have entries", roles + "server: {listen: ['127.0.0.1:5000']}\nclients: [{from: 127.0.0.2}, {listen: '127.0.0.1:5000'}]", []string{"f.yaml:4: clients[0]: never matches: entries with listen have all clients of each address of server.listen"}},
		{"not allowed", "server: {allow_clients: [10.0.0.0/8]}\nclients: [{from: 192.168.0.0/16}, {from: 127.0.0.1}, {from: 10.1.0.0/16}]", []string{"f.yaml:2: clients[0]: never matches: server.allow_clients does not allow 192.168.0.0/16; add it there"}},
		{"allowed in part", "server: {allow_clients: [10.0.0.0/8]}\nclients: [{from: 0.0.0.0/0}]", nil},
		{"allow without an engine", roles + "containers: {allow: [web]}", []string{"f.yaml:3: containers.allow: without effect: containers.engine is not set"}},
		{"an engine without allow", "containers: {engine: unix:///e}", []string{"f.yaml:1: containers.engine: containers.allow is empty, so that no container can name a role"}},
		{"a role of another account", "aws: {account_id: '111111111111'}\ncredentials: {mock: true}\nroles: {web: {iam_role: 'arn:aws:iam::222222222222:role/w'}}", []string{"f.yaml:3: roles.web.iam_role: the role is of account 222222222222 and the instance of aws.account_id 111111111111; EC2 has both in one"}},
		{"inherited warnings are not repeated", "credentials: {mock: true, cache: disk}\nroles: {web: {}, jobs: {}}\nclients: [{from: 10.0.0.1, ec2: {instance_id: i-00000000000000002}}]", []string{"f.yaml:1: credentials.cache: without effect: credentials.mock is true, and made-up credentials are not kept"}},
	} {
		t.Run(tt.name, func(t *testing.T) { expectWarnings(t, tt.yaml, tt.want...) })
	}
}

func TestContainers_AllowMatchesAsIAMDoes(t *testing.T) {
	c := Containers{Allow: []string{"web", "arn:aws:iam::123456789012:role/dev-*", "arn:aws:iam::*:role/team/?x*z"}}
	for name, want := range map[string]bool{
		"web":                                    true,
		"webb":                                   false,
		"we":                                     false,
		"":                                       false,
		"arn:aws:iam::123456789012:role/dev-":    true,
		"arn:aws:iam::123456789012:role/dev-a/b": true,
		"arn:aws:iam::123456789012:role/xdev-a":  false,
		"arn:aws:iam::123456789012:role/dev-a\nb":                   false,
		"arn:aws:iam::1:role/team/axz":                              true,
		"arn:aws:iam::1:role/team/axyyzyz":                          true,
		"arn:aws:iam::1:role/team/axyyzyzy":                         false,
		"arn:aws:iam::1:role/team/xz":                               false,
		"arn:aws:iam::123456789012:user/dev-a":                      false,
		"arn:aws:iam::123456789012:role/dev":                        false,
		"arn:aws:iam::123456789012:role/" + strings.Repeat("d", 65): false,
	} {
		if got := c.AllowsRole(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}
