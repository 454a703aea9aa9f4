package config

import "testing"

func TestKubernetes_WrongValuesAreNamed(t *testing.T) {
	const (
		words    = "; known are {cluster} {node} {namespace} {service_account} {pod}"
		notARole = " is not a role; write a name of roles, NAME or PATH/NAME of a role in IAM, its ARN, own or none"
		notSA    = " is not a service account; write NAMESPACE/NAME, such as shop/checkout"
		notNS    = " is not a namespace or a pattern; it has lower-case letters, digits and -, with * and ? for what may differ, or it starts with re:"
		notName  = " is not the name of an annotation; write e.g. iam.amazonaws.com/role"
		notBase  = " is not the beginning of a role's ARN; write arn:aws:iam::ACCOUNT:role/ or arn:aws:iam::ACCOUNT:role/PATH/"
		rules    = "f.yaml:1: kubernetes.rules."
		session  = "f.yaml:1: kubernetes.session."
	)
	for _, tt := range []struct{ name, yaml, want string }{
		{"node", "node: Node1", `f.yaml:1: kubernetes.node: "Node1" is not a name in Kubernetes; it has lower-case letters, digits, - and .`},
		{"cluster name", "cluster_name: a b", `f.yaml:1: kubernetes.cluster_name: "a b" is not the name of a cluster; it has 1 to 100 of letters, digits and _-`},
		{"way to find pods", "pods: {find: [watch, cri]}", `f.yaml:1: kubernetes.pods.find: "cri" is not one of watch, proc`},
		{"no watch", "pods: {find: [proc]}", "f.yaml:1: kubernetes.pods.find: watch is missing, and no pod is known without it; add it"},
		{"nothing to find pods", "pods: {find: []}", "f.yaml:1: kubernetes.pods.find: watch is missing, and no pod is known without it; add it"},
		{"watch twice", "pods: {find: [watch, watch]}", "f.yaml:1: kubernetes.pods.find: watch is there twice; remove one"},
		{"long wait", "pods: {wait: 10001ms}", "f.yaml:1: kubernetes.pods.wait: 10.001s is not from 0s to 10s"},
		{"negative wait", "pods: {wait: -1s}", "f.yaml:1: kubernetes.pods.wait: -1s is not from 0s to 10s"},
		{"wait without unit", "pods: {wait: 0}", `f.yaml:1: kubernetes.pods.wait: "0" has no unit; write e.g. 0s, 15m or 1h`},
		{"metadata", "pods: {metadata: some}", `f.yaml:1: kubernetes.pods.metadata: "some" is not one of node, none`},
		{"annotation", "annotations: {role: [a b]}", `f.yaml:1: kubernetes.annotations.role: "a b"` + notName},
		{"annotation with two slashes", "annotations: {external_id: a/b/c}", `f.yaml:1: kubernetes.annotations.external_id: "a/b/c"` + notName},
		{"annotation twice", "annotations: {role: [x/y, x/y]}", "f.yaml:1: kubernetes.annotations.role: x/y is in kubernetes.annotations.role already, and has one meaning; remove one of them"},
		{"annotation in two lists", "annotations: {role: [x/y], session_name: x/y}", "f.yaml:1: kubernetes.annotations.session_name: x/y is in kubernetes.annotations.role already, and has one meaning; remove one of them"},
		{"base role without its end", "base_role_arn: arn:aws:iam::123456789012:role", `f.yaml:1: kubernetes.base_role_arn: "arn:aws:iam::123456789012:role"` + notBase},
		{"base role with a name", "base_role_arn: 'arn:aws:iam::123456789012:role/x'", `f.yaml:1: kubernetes.base_role_arn: "arn:aws:iam::123456789012:role/x"` + notBase},
		{"default role", "rules: {default_role: a b}", rules + `default_role: "a b"` + notARole},
		{"default role of dots", "rules: {default_role: ..}", rules + `default_role: ".."` + notARole},
		{"host's ARN", "rules: {host_network: 'arn:aws:iam::1:user/x'}", rules + `host_network: "arn:aws:iam::1:user/x" is not the ARN of a role; write arn:aws:iam::ACCOUNT:role/NAME`},
		{"service account without namespace", "rules: {service_accounts: {checkout: x}}", rules + `service_accounts.checkout: "checkout"` + notSA},
		{"service account of no namespace", "rules: {service_accounts: {a.b/checkout: x}}", rules + `service_accounts.a.b/checkout: "a.b/checkout"` + notSA},
		{"service account's role", "rules: {service_accounts: {shop/checkout: /x}}", rules + `service_accounts.shop/checkout: "/x"` + notARole},
		{"service account is a block", "rules: {service_accounts: {shop/checkout: {role: x}}}", rules + "service_accounts.shop/checkout: want a text, but this is a block of keys"},
		{"namespace", "rules: {namespaces: {Shop: }}", rules + `namespaces.Shop: "Shop"` + notNS},
		{"namespace's expression", "rules: {namespaces: {'re:a(': }}", rules + "namespaces.re:a(: \"re:a(\" is not a regular expression: missing closing ): `a(`; write e.g. re:team-[a-z]+"},
		{"namespace's expression that ends the group", "rules: {namespaces: {'re:a)|(b': }}", rules + "namespaces.re:a)|(b: \"re:a)|(b\" is not a regular expression: unexpected ): `a)|(b`; write e.g. re:team-[a-z]+"},
		{"unknown key of a namespace", "rules: {namespaces: {shop: {allows: x}}}", rules + "namespaces.shop.allows: unknown key; did you mean allow? allowed in kubernetes.rules.namespaces.shop: allow, default_role, external_id"},
		{"external id", "rules: {namespaces: {shop: {external_id: 'hidden value'}}}", rules + "namespaces.shop.external_id: not an external id; it has 2 to 1224 of letters, digits and _+=,.@:/-"},
		{"namespace's default", "rules: {namespaces: {shop: {default_role: '*'}}}", rules + `namespaces.shop.default_role: "*"` + notARole},
		{"pattern with a space", "rules: {namespaces: {shop: {allow: [a b]}}}", rules + `namespaces.shop.allow: "a b" is not a pattern of roles; it has no spaces, and * and ? for what may differ`},
		{"pattern with a slash", "rules: {namespaces: {shop: {allow: [/a]}}}", rules + `namespaces.shop.allow: "/a" starts with /, which no path behind kubernetes.base_role_arn does; remove it`},
		{"half an ARN", "rules: {namespaces: {shop: {allow: ['arn:aws:iam']}}}", rules + `namespaces.shop.allow: "arn:aws:iam" is not the ARN of a role, with * and ? for what may differ; write e.g. arn:aws:iam::123456789012:role/dev-*`},
		{"bad expression", "rules: {namespaces: {shop: {allow: ['re:[']}}}", rules + "namespaces.shop.allow: \"re:[\" is not a regular expression: missing closing ]: `[`; write e.g. re:team-[a-z]+"},
		{"expression of an ARN", "rules: {namespaces: {shop: {allow: ['re:arn:.*']}}}", rules + `namespaces.shop.allow: "re:arn:.*" never matches: an expression sees what follows role/; leave out what comes before that, or write an ARN with * and ?`},
		{"scope", "session: {scope: node}", session + `scope: "node" is not one of role, service_account, pod`},
		{"unknown placeholder", "session: {name: '{ns}'}", session + `name: "{ns}" is not known in a template of a session name` + words},
		{"open brace", "session: {name: 'a{pod'}", session + `name: "a{pod" has a brace without its other one; write e.g. {namespace}-{service_account}`},
		{"brace in a brace", "session: {name: '{{pod}}'}", session + `name: "{{pod}}" has a brace without its other one; write e.g. {namespace}-{service_account}`},
		{"text of a session name", "session: {name: 'a b'}", session + `name: "a b" cannot be in a session name; it has letters, digits and _+=,.@-`},
		{"tags", "session: {tags: all}", session + `tags: "all" is neither none nor eks; for tags of your own write {team: "{namespace}"}`},
		{"list of tags", "session: {tags: [eks]}", session + "tags: want none, eks or a block of tags, but this is a list"},
		{"tag's key", "session: {tags: {'a,b': x}}", session + `tags.a,b: "a,b" is not a tag key; it has letters, digits, spaces and _.:/=+-@`},
		{"tag of AWS", "session: {tags: {'aws:x': x}}", session + "tags.aws:x: starts with aws:, which AWS keeps for itself; choose another key"},
		{"tags in two cases", "session: {tags: {Team: x, team: y}}", session + "tags.team: Team is there too, and AWS does not tell them apart; remove one of them"},
		{"tag's placeholder", "session: {tags: {a: '{uid}'}}", session + `tags.a: "{uid}" is not known in a template of a tag` + words},
		{"tag's text", "session: {tags: {a: 'x,y'}}", session + `tags.a: "x,y" cannot be in a tag; it has letters, digits, spaces and _.:/=+-@`},
		{"short idle", "session: {idle: 59s}", session + "idle: 59s is not from 1m to 12h"},
		{"long idle", "session: {idle: 13h}", session + "idle: 13h is not from 1m to 12h"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := loadText("kubernetes: {"+tt.yaml+"}", nil, nil)
			expectError(t, err, tt.want)
		})
	}
}

func TestKubernetes_ContradictionsAreNamed(t *testing.T) {
	const (
		noAccount = " is neither a name of roles nor an ARN, and nothing tells its account; set kubernetes.base_role_arn or aws.account_id"
		web       = "roles: {web: {iam_role: 'arn:aws:iam::123456789012:role/web'}}\n"
		noProfile = "own is the credentials of the profile itself, and credentials.source_profile is not set; set it, or name a role"
	)
	for _, tt := range []struct{ name, yaml, want string }{
		{"default without an account", "kubernetes: {enabled: true, rules: {default_role: x}}", `f.yaml:1: kubernetes.rules.default_role: "x"` + noAccount},
		{"host without an account", web + "kubernetes: {enabled: true, rules: {host_network: wep}}", `f.yaml:2: kubernetes.rules.host_network: "wep"` + noAccount},
		{"service account without an account", "kubernetes: {enabled: true, rules: {service_accounts: {a/b: c/d}}}", `f.yaml:1: kubernetes.rules.service_accounts.a/b: "c/d"` + noAccount},
		{"namespace without an account", "kubernetes: {enabled: true, rules: {namespaces: {'a-*': {default_role: x}}}}", `f.yaml:1: kubernetes.rules.namespaces.a-*.default_role: "x"` + noAccount},
		{"own without a profile", "kubernetes: {rules: {default_role: own}}", "f.yaml:1: kubernetes.rules.default_role: " + noProfile},
		{"own without a profile for an account", "kubernetes: {rules: {service_accounts: {a/b: own}}}", "f.yaml:1: kubernetes.rules.service_accounts.a/b: " + noProfile},
		{
			"own of a profile that cannot be listed", "credentials: {source_profile: a b, iam_role: 'arn:aws:iam::123456789012:role/web'}\nkubernetes: {rules: {default_role: own}}",
			`f.yaml:2: kubernetes.rules.default_role: own is the profile of credentials.source_profile, but "a b" is not a name that credentials can go by, which has 1 to 64 of letters, digits and _+=,.@-; rename the profile, or name a role`,
		},
		{
			"own beside a role of that name", "roles: {own: {source_profile: dev}}\nkubernetes: {rules: {default_role: own}}",
			"f.yaml:2: kubernetes.rules.default_role: own is the profile's own credentials, and an entry of roles has that name too; rename the entry",
		},
		{
			"clients", web + account + "clients: [{from: 10.0.0.1, role: web}]\nkubernetes: {enabled: true, rules: {default_role: web}}",
			"f.yaml:4: kubernetes.enabled: clients is set too, and only one of them can say who gets which role; remove clients, or set kubernetes.enabled to false",
		},
		{
			"containers", account + "containers: {engine: 'unix:///x', role: []}\nkubernetes: {enabled: true, rules: {default_role: web}}",
			"f.yaml:3: kubernetes.enabled: containers.engine is set too, and only one of them can say who gets which role; remove containers.engine, or set kubernetes.enabled to false",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := loadText(tt.yaml, nil, nil)
			expectError(t, err, tt.want)
		})
	}
	// own beside iam_role is the profile itself.
	mustLoad(t, "credentials: {source_profile: dev, iam_role: 'arn:aws:iam::123456789012:role/web'}\nkubernetes: {enabled: true, rules: {default_role: own}}", nil, nil)
	mustLoad(t, "clients: [{from: 10.0.0.1, role: none}]\nkubernetes: {rules: {default_role: x}}", nil, nil)
}
