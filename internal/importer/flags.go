package importer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// isFlagsKey reports whether a top-level key is of a Kubernetes manifest or of a Compose file, in which other tools have arguments.
func isFlagsKey(key string) bool {
	return slices.Contains([]string{"apiVersion", "spec", "services", "items"}, key)
}

// isManifest reports whether an element of a list has the keys of a Kubernetes object. A manifest has several, as documents of one file.
func isManifest(keys map[string]bool) bool { return keys["apiVersion"] && keys["kind"] }

// program is how another tool was started.
type program struct {
	name  string // as messages call it
	words []string
	flags map[string]string // without hyphens; "true" for those without a value
	env   map[string]string
}

// tool is one that has flags or variables in place of a configuration.
type tool struct {
	name string
	// flags and variables are those that tell it from others, and that are taken over.
	flags, variables []string
	read             func(in *Instance, p *program) error
}

func tools() []tool {
	return []tool{
		{name: "kube2iam", flags: []string{
			"base-role-arn", "default-role", "iam-role-key", "iam-external-id", "iam-role-session-ttl",
			"namespace-restrictions", "namespace-restriction-format", "namespace-key", "auto-discover-base-arn", "auto-discover-default-role", "node",
		}, read: readKube2iam},
		{name: "kiam", flags: []string{
			"role-base-arn", "role-base-arn-autodetect", "session", "session-duration", "session-refresh",
			"assume-role-arn", "disable-strict-namespace-regexp",
		}, read: readKiam},
		{name: "aws-mock-metadata", flags: []string{
			"ami-id", "availability-zone", "hostname", "instance-id", "instance-type", "mac-address",
			"private-ip", "role-arn", "role-name", "vpc-id", "mock-instance-profile", "mock-spot-termination",
		}, read: readMockMetadata},
		{name: "amazon-ecs-local-container-endpoints", variables: []string{"CLUSTER_ARN", "TASK_ARN", "TASK_DEFINITION_FAMILY", "TASK_DEFINITION_REVISION"}, read: readECSLocal},
		{name: "metadataproxy", variables: []string{"DEFAULT_ROLE", "DEFAULT_ACCOUNT_ID", "MOCKED_INSTANCE_ID"}, read: readMetadataProxy},
	}
}

// readFlags reads arguments and variables of other tools: those after --, or those in manifests.
func readFlags(r *reading) error {
	var all []*program
	if r.opt.Args != nil {
		all = append(all, parseProgram("the line after --", r.opt.Args))
	}
	for _, d := range r.docs {
		value, err := d.value()
		if err != nil {
			return err
		}
		found := containersIn(d.name, value, 0)
		if len(found) == 0 {
			return d.fail("no container with arguments; give the manifest of a DaemonSet, or a Compose file")
		}
		all = append(all, found...)
	}
	if len(all) == 0 {
		return errors.New("no arguments; write them behind --, such as --as flags -- --base-role-arn=arn:aws:iam::123456789012:role/")
	}
	in, name := &Instance{}, ""
	for _, p := range all {
		t, err := p.tool()
		if err != nil {
			return err
		}
		if t == nil {
			continue
		}
		if name != "" && name != t.name {
			return fmt.Errorf("%s: %s, and %s elsewhere; import them one by one", p.name, t.name, name)
		}
		name = t.name
		if err := t.read(in, p); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		for flag := range p.flags {
			if !slices.Contains(t.flags, flag) {
				r.NotNeeded++
			}
		}
	}
	if name == "" {
		return fmt.Errorf("%s: no flag or variable of a tool that is known; these are %s", all[0].name, strings.Join(toolNames(), ", "))
	}
	in.ID = in.text("ec2.instance_id")
	for i := range in.Notes {
		in.Notes[i].Subject = in.ID
	}
	r.Source = name
	r.Instances = append(r.Instances, in)
	return nil
}

func toolNames() []string {
	var names []string
	for _, t := range tools() {
		names = append(names, t.name)
	}
	return names
}

// parseProgram splits arguments into words, flags and variables.
func parseProgram(name string, args []string) *program {
	p := &program{name: name, flags: map[string]string{}, env: map[string]string{}}
	for i := 0; i < len(args); i++ {
		flag, isFlag := strings.CutPrefix(args[i], "--")
		if !isFlag {
			key, value, ok := strings.Cut(args[i], "=")
			if ok && key == strings.ToUpper(key) && !strings.HasPrefix(key, "-") {
				p.env[key] = value
			} else {
				p.words = append(p.words, args[i])
			}
			continue
		}
		flag, value, ok := strings.Cut(flag, "=")
		if !ok {
			if value = "true"; i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") && !isSwitch(flag) {
				i++
				value = args[i]
			}
		}
		if !strings.Contains(value, "$(") { // Kubernetes fills it in
			p.flags[flag] = value
		}
	}
	return p
}

// isSwitch reports whether a flag has no value.
func isSwitch(flag string) bool {
	switch flag {
	case "namespace-restrictions", "auto-discover-base-arn", "auto-discover-default-role", "role-base-arn-autodetect",
		"disable-strict-namespace-regexp", "mock-instance-profile", "mock-spot-termination", "iptables", "insecure", "debug", "verbose",
		"version", "json-log", "no-scheme-host-redirects", "resolve-duplicate-cache-ips", "use-regional-sts-endpoint", "sync":
		return true
	}
	return false
}

// tool finds out which tool a program is, nil for none that is known. It is an error for those that have profiles alone.
func (p *program) tool() (*tool, error) {
	for _, word := range p.words {
		switch base := word[strings.LastIndexByte(word, '/')+1:]; base {
		case "aws-vault", "aws-runas", "imds-broker":
			return nil, fmt.Errorf("%s: %s has profiles of ~/.aws alone; write source_profile: PROFILE, which reads them", p.name, base)
		}
	}
	var best *tool
	most := 0
	for _, t := range tools() {
		hits := 0
		for _, flag := range t.flags {
			if _, ok := p.flags[flag]; ok {
				hits++
			}
		}
		for _, name := range t.variables {
			if _, ok := p.env[name]; ok {
				hits++
			}
		}
		if hits > most {
			best, most = &t, hits
		}
	}
	return best, nil
}

// maxManifestDepth is how deep containers are looked for.
const maxManifestDepth = 12

// containersIn finds the containers of manifests and the services of Compose files.
func containersIn(name string, value any, depth int) []*program {
	if depth > maxManifestDepth {
		return nil
	}
	var all []*program
	switch v := value.(type) {
	case []any:
		for _, e := range v {
			all = append(all, containersIn(name, e, depth+1)...)
		}
	case map[string]any:
		if services, ok := v["services"].(map[string]any); ok {
			for _, key := range keysSorted(services) {
				if service, ok := services[key].(map[string]any); ok {
					all = append(all, containerProgram(name+": "+oneLine(key), service))
				}
			}
			return all
		}
		if containers, ok := v["containers"].([]any); ok {
			for _, e := range containers {
				if container, ok := e.(map[string]any); ok {
					all = append(all, containerProgram(name+": "+oneLine(text(container, "name")), container))
				}
			}
			return all
		}
		for _, key := range keysSorted(v) {
			all = append(all, containersIn(name, v[key], depth+1)...)
		}
	}
	return all
}

// containerProgram reads a container's command, arguments and environment, in the forms of Kubernetes and of Compose.
func containerProgram(name string, container map[string]any) *program {
	var args []string
	for _, key := range []string{"entrypoint", "command", "args"} {
		switch v := container[key].(type) {
		case string:
			args = append(args, strings.Fields(v)...)
		case []any:
			for _, e := range v {
				if word, ok := scalarText(e); ok {
					args = append(args, word)
				}
			}
		}
	}
	p := parseProgram(name, args)
	for _, key := range []string{"env", "environment"} {
		switch v := container[key].(type) {
		case map[string]any:
			for name := range v {
				p.env[name] = text(v, name)
			}
		case []any:
			for _, e := range v {
				if pair, ok := e.(map[string]any); ok {
					p.env[text(pair, "name")] = text(pair, "value")
				} else if line, ok := e.(string); ok {
					name, value, _ := strings.Cut(line, "=")
					p.env[name] = value
				}
			}
		}
	}
	return p
}
