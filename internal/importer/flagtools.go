package importer

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"mock-ec2-metadata/internal/config"
)

func keysSorted(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// flag sets a key to the value of a flag. A value that the key does not take is an error.
func (in *Instance) flag(p *program, flag, key string) error {
	value := p.flags[flag]
	if value == "" {
		return nil
	}
	if !in.fit(key, value) {
		return fmt.Errorf("--%s: %s is no value of %s", flag, strconv.Quote(value), key)
	}
	return nil
}

// duration sets a key to the duration of a flag, from a shortest to a longest one.
func (in *Instance) duration(p *program, flag, key string, least, most time.Duration) error {
	value := p.flags[flag]
	if value == "" {
		return nil
	}
	d, err := time.ParseDuration(value)
	if err != nil {
		return fmt.Errorf("--%s: %s is no duration; write e.g. 15m", flag, strconv.Quote(value))
	}
	if d < least || d > most {
		in.note(Lost, flag, "%s; here it is from %s to %s", value, least, most)
		return nil
	}
	in.set(key, value)
	return nil
}

func (in *Instance) setTrue(key string) {
	in.setNode(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"}, strings.Split(key, ".")...)
	in.keep(strings.Split(key, ".")...)
}

// keepAll says that all keys of kubernetes and ecs stay: they change no leaf.
func (in *Instance) keepAll() {
	for i := range in.Keys {
		in.Keys[i].Keep = in.Keys[i].Path[0] != "credentials"
	}
}

// annotations takes over the name of an annotation, unless it is among those that are read anyway.
func (in *Instance) annotation(p *program, flag, key string, usual ...string) error {
	value := p.flags[flag]
	if value == "" || slices.Contains(usual, value) {
		return nil
	}
	if !config.Fits(key, value) {
		return fmt.Errorf("--%s: %s is no name of an annotation", flag, strconv.Quote(value))
	}
	in.setList(key, []string{value})
	return nil
}

// baseRole takes over the beginning of the roles' ARNs.
func (in *Instance) baseRole(p *program, flag string) error {
	value := p.flags[flag]
	if value == "" {
		return nil
	}
	if !strings.HasSuffix(value, "/") {
		value += "/"
	}
	if !config.Fits("kubernetes.base_role_arn", value) {
		return fmt.Errorf("--%s: %s is no beginning of a role's ARN; write arn:aws:iam::ACCOUNT:role/", flag, strconv.Quote(value))
	}
	in.set("kubernetes.base_role_arn", value)
	return nil
}

// anyRole lets pods name any role of the account. Annotations of namespaces restrict it further, but allow nothing by themselves.
func (in *Instance) anyRole() {
	in.setNode(listNode([]string{"*"}), "kubernetes", "rules", "namespaces", "*", "allow")
}

// readKube2iam maps kube2iam's flags. Without restrictions its pods may name any role.
func readKube2iam(in *Instance, p *program) error {
	in.setTrue("kubernetes.enabled")
	if err := firstError(
		in.flag(p, "node", "kubernetes.node"),
		in.baseRole(p, "base-role-arn"),
		in.flag(p, "default-role", "kubernetes.rules.default_role"),
		in.annotation(p, "iam-role-key", "kubernetes.annotations.role", "iam.amazonaws.com/role"),
		in.annotation(p, "iam-external-id", "kubernetes.annotations.external_id", "iam.amazonaws.com/external-id"),
		in.duration(p, "iam-role-session-ttl", "credentials.duration", 15*time.Minute, 12*time.Hour),
	); err != nil {
		return err
	}
	for _, flag := range []string{"auto-discover-base-arn", "auto-discover-default-role"} {
		if p.flags[flag] == "true" {
			in.note(Lost, flag, "there is no EC2 to ask; write kubernetes.base_role_arn and rules.default_role")
		}
	}
	if p.flags["namespace-restrictions"] == "true" {
		in.setTrue("kubernetes.rules.namespace_annotations")
		if err := in.annotation(p, "namespace-key", "kubernetes.annotations.allowed_roles", "iam.amazonaws.com/allowed-roles"); err != nil {
			return err
		}
		if p.flags["namespace-restriction-format"] == "regexp" {
			in.note(Lost, "namespace-restriction-format", "annotations of namespaces are patterns here; write regular expressions as re: in kubernetes.rules.namespaces")
		}
	}
	in.anyRole()
	in.keepAll()
	return nil
}

// readKiam maps kiam's flags. It has restrictions always, by regular expressions in annotations of namespaces.
func readKiam(in *Instance, p *program) error {
	in.setTrue("kubernetes.enabled")
	if err := firstError(
		in.baseRole(p, "role-base-arn"),
		in.kiamSession(p),
		in.duration(p, "session-duration", "credentials.duration", 15*time.Minute, 12*time.Hour),
	); err != nil {
		return err
	}
	if p.flags["role-base-arn-autodetect"] == "true" {
		in.note(Lost, "role-base-arn-autodetect", "there is no EC2 to ask; write kubernetes.base_role_arn")
	}
	if p.flags["assume-role-arn"] != "" {
		in.note(Lost, "assume-role-arn", "write a profile that assumes it into ~/.aws/config, and its name as credentials.source_profile")
	}
	in.setTrue("kubernetes.rules.namespace_annotations")
	in.anyRole()
	in.keepAll()
	return nil
}

// kiamSession takes over the name of the sessions, before which kiam writes kiam-.
func (in *Instance) kiamSession(p *program) error {
	const key = "kubernetes.session.name"
	if name := p.flags["session"]; name != "" && !in.fit(key, "kiam-"+name) {
		return fmt.Errorf("--session: %s is no value of %s", strconv.Quote(name), key)
	}
	return nil
}

// readMockMetadata maps the flags of aws-mock-metadata, one to one.
func readMockMetadata(in *Instance, p *program) error {
	if err := firstError(
		in.flag(p, "ami-id", "ec2.image_id"),
		in.flag(p, "availability-zone", "aws.availability_zone"),
		in.flag(p, "hostname", "ec2.hostname"),
		in.flag(p, "instance-id", "ec2.instance_id"),
		in.flag(p, "instance-type", "ec2.instance_type"),
		in.flag(p, "mac-address", "ec2.mac"),
		in.flag(p, "private-ip", "ec2.local_ipv4"),
		in.flag(p, "vpc-id", "ec2.vpc_id"),
	); err != nil {
		return err
	}
	if p.flags["mock-spot-termination"] == "true" {
		in.note(Hint, "mock-spot-termination", "to simulate it: mock-ec2-metadata event spot terminate")
	}
	return in.roleOf("--role-arn", p.flags["role-arn"], p.flags["role-name"])
}

// roleOf takes a role over, by its ARN or by its name.
func (in *Instance) roleOf(what, arn, name string) error {
	switch {
	case arn == "" && name == "":
	case arn == "":
		in.profile(nil, name)
	case !config.Fits("credentials.iam_role", arn):
		return fmt.Errorf("%s: %s is not the ARN of a role; write arn:aws:iam::ACCOUNT:role/NAME", what, strconv.Quote(arn))
	default:
		in.Role, in.RoleARN = arn[strings.LastIndexByte(arn, '/')+1:], arn
		if name != "" && name != in.Role {
			in.note(Guessed, "role-name", "%s, but the role of the ARN is %s", name, in.Role)
		}
	}
	return nil
}

// readECSLocal maps the variables of amazon-ecs-local-container-endpoints.
func readECSLocal(in *Instance, p *program) error {
	cluster := p.env["CLUSTER_ARN"]
	cluster = cluster[strings.LastIndexByte(cluster, '/')+1:]
	for _, t := range []struct{ name, value, key string }{
		{"CLUSTER_ARN", cluster, "ecs.task.cluster"},
		{"TASK_ARN", p.env["TASK_ARN"], "ecs.task.arn"},
		{"TASK_DEFINITION_FAMILY", p.env["TASK_DEFINITION_FAMILY"], "ecs.task.family"},
		{"TASK_DEFINITION_REVISION", p.env["TASK_DEFINITION_REVISION"], "ecs.task.revision"},
	} {
		if t.value != "" && !in.fit(t.key, t.value) {
			in.note(Lost, t.name, "%s takes no %s", t.key, strconv.Quote(t.value))
		}
	}
	in.keepAll()
	return nil
}

// readMetadataProxy maps the variables of metadataproxy.
func readMetadataProxy(in *Instance, p *program) error {
	in.fit("aws.account_id", p.env["DEFAULT_ACCOUNT_ID"])
	in.fit("ec2.instance_id", p.env["MOCKED_INSTANCE_ID"])
	role, account, _ := strings.Cut(p.env["DEFAULT_ROLE"], "@") // NAME, NAME@ACCOUNT or an ARN
	if account != "" && !in.fit("aws.account_id", account) {
		in.note(Lost, "DEFAULT_ROLE", "%s is a name of AWS_ACCOUNT_MAP; write the number of the account", strconv.Quote(account))
	}
	if strings.HasPrefix(role, "arn:") {
		return in.roleOf("DEFAULT_ROLE", p.env["DEFAULT_ROLE"], "")
	}
	return in.roleOf("DEFAULT_ROLE", "", role)
}

func firstError(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}
