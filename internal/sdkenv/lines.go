package sdkenv

import (
	"fmt"
	"strings"
)

// HostGateway is a name by which containers reach the machine that runs them. On Linux, the engine must be told to know it.
const HostGateway = "host.docker.internal"

// Way is how a container reaches a daemon on the machine that runs it. The zero value is the address that clients have built in.
type Way struct {
	// Daemon is the URL of the daemon, as seen from the container; "" for the address that clients have built in.
	Daemon string
	// Gateway says that the URL has HostGateway, HostNetwork that the container needs the network of the machine itself.
	Gateway, HostNetwork bool
}

// the application of all examples: its answer says whether it works.
const (
	exampleImage   = "amazon/aws-cli"
	exampleCommand = "sts get-caller-identity"
)

func (w Way) variables() []Variable {
	if w.Daemon == "" {
		return nil
	}
	return endpoint(w.Daemon)
}

// Docker is a command that runs a container whose SDK asks the daemon.
func (w Way) Docker() string {
	command := []string{"docker run --rm"}
	if w.Gateway {
		command = append(command, "--add-host "+HostGateway+":host-gateway")
	}
	if w.HostNetwork {
		command = append(command, "--network host")
	}
	for _, v := range w.variables() {
		command = append(command, "-e "+v.Name+"="+QuotePOSIX(v.Value))
	}
	return strings.Join(append(command, exampleImage+" "+exampleCommand), " \\\n  ") + "\n"
}

// Compose is a file for Docker Compose with a service whose SDK asks the daemon.
func (w Way) Compose() string {
	var b strings.Builder
	fmt.Fprintf(&b, "services:\n  app:\n    image: %s\n    command: %s\n", exampleImage, exampleCommand)
	if w.Gateway {
		fmt.Fprintf(&b, "    extra_hosts: [\"%s:host-gateway\"]\n", HostGateway)
	}
	if w.HostNetwork {
		b.WriteString("    network_mode: host\n")
	}
	for i, v := range w.variables() {
		if i == 0 {
			b.WriteString("    environment:\n")
		}
		fmt.Fprintf(&b, "      %s: %q\n", v.Name, v.Value)
	}
	return b.String()
}

// NAT is the command that redirects 169.254.169.254 in a virtual machine to a port of a host, "" for the default gateway; and the same as
// a line of a Vagrantfile, in a comment.
func NAT(host string, port uint16) string {
	const usual = 5000 // of nat.sh
	var shell, ruby []string
	add := func(name, value string) {
		shell = append(shell, name+"="+value)
		ruby = append(ruby, fmt.Sprintf("%q => %q", name, value))
	}
	if host != "" {
		add("METADATA_HOST", host)
	}
	if port != usual {
		add("METADATA_PORT", fmt.Sprint(port))
	}
	command := strings.Join(append(append([]string{"sudo"}, shell...), "sh nat.sh"), " ")
	provision := `config.vm.provision "shell", path: "nat.sh", run: "always", name: "NAT"`
	if len(ruby) > 0 {
		provision += ", env: { " + strings.Join(ruby, ", ") + " }"
	}
	return command + "\n# " + provision + "\n"
}

// Pod is a command that starts a pod with a role in the cluster of kubectl; "" leaves the role to the rules.
func Pod(role string) string {
	annotations := ""
	if role != "" {
		annotations = fmt.Sprintf("  annotations: {iam.amazonaws.com/role: %q}\n", role)
	}
	return "kubectl apply -f - <<'EOF'\napiVersion: v1\nkind: Pod\nmetadata:\n  name: app\n" + annotations +
		"spec:\n  restartPolicy: Never\n  containers:\n    - {name: app, image: " + exampleImage + ", args: [sts, get-caller-identity]}\nEOF\n"
}
