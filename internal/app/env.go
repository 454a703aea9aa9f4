package app

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/guard"
	"mock-ec2-metadata/internal/sdkenv"
)

// servicePort is that of the metadata service at its own address.
const servicePort = 80

// reach says by which listeners of the metadata service the daemon can be reached; the zero value: by none.
type reach struct {
	url     string         // for programs of this machine
	port    uint16         // of the same listener
	builtIn bool           // 169.254.169.254 is a listener
	all     uint16         // port of a listener at all interfaces
	bridge  netip.AddrPort // a listener at this machine's address in a network of containers or virtual machines
}

// reach looks at the open listeners.
func (a *App) reach() reach {
	var r reach
	for i, address := range a.Addrs() {
		name := a.server.Names()[i]
		at, err := netip.ParseAddrPort(address.String())
		if err != nil || a.surfaceAt(at.Addr(), name) > metadataOnly {
			continue
		}
		if _, port, err := net.SplitHostPort(name); err != nil || port == "0" {
			name = address.String()
		}
		switch {
		case isServiceAddress(at.Addr()):
			r.builtIn = r.builtIn || at.Addr() == serviceIPv4 && at.Port() == servicePort
		case at.Addr().IsUnspecified():
			r.all = cmp.Or(r.all, at.Port())
		case !r.bridge.IsValid() && at.Addr().Is4() && a.isVirtual(at.Addr()):
			r.bridge = at
		}
		if r.url == "" {
			r.url, r.port = api.URL(name), at.Port()
		}
	}
	return r
}

// isVirtual tells whether an address is in a network of this machine's containers or virtual machines.
func (a *App) isVirtual(address netip.Addr) bool {
	return slices.ContainsFunc(a.networks.Prefixes(), func(p netip.Prefix) bool { return p.Contains(address) })
}

// way is how containers of this machine reach the daemon.
func (r *reach) way() sdkenv.Way {
	switch {
	case r.builtIn:
		return sdkenv.Way{}
	case r.all != 0:
		return sdkenv.Way{Daemon: api.URL(fmt.Sprintf("%s:%d", sdkenv.HostGateway, r.all)), Gateway: true}
	case r.bridge.IsValid():
		return sdkenv.Way{Daemon: api.URL(r.bridge.String())}
	default:
		return sdkenv.Way{Daemon: r.url, HostNetwork: true}
	}
}

// isAlone says that clients with addresses of their own reach no listener.
func (r *reach) isAlone() bool { return !r.builtIn && r.all == 0 && !r.bridge.IsValid() }

// forContainers says what stands in the way of clients with addresses of their own.
func (a *App) forContainers(r *reach) []string {
	var notes []string
	if r.isAlone() {
		notes = append(notes, fmt.Sprintf("This daemon listens at %s alone. For clients with addresses of their own, set server.listen to [\"0.0.0.0:%d\"], and restart it.", r.url, r.port))
	}
	rules := a.State().Rules
	var denied []string
	for _, p := range a.networks.Prefixes() {
		if a.guard.ClassBy(rules, p.Addr().Next()) == guard.Refused {
			denied = append(denied, p.String())
		}
	}
	if len(denied) > 0 {
		notes = append(notes, "server.allow_clients denies "+strings.Join(denied, ", ")+"; set it to auto, or add the client's network.")
	}
	if len(a.opt.Networks) > 0 && !r.builtIn {
		notes = append(notes, "This daemon runs in a container: write the port that Docker publishes, if it is another one.")
	}
	return notes
}

// Lines are lines to copy that lead a kind of client to this daemon: one of shell, docker, compose, vm and pod. For shell they are those
// of the command env for bash, fish or powershell; "" is bash. They have no secret. Its errors are *api.Refusal.
func (a *App) Lines(client, shell string) (*api.Lines, error) {
	makers := map[string]func(*reach, string) (string, []string, error){
		"shell": a.shellLines, "docker": a.dockerLines, "compose": a.composeLines, "vm": a.vmLines, "pod": a.podLines,
	}
	maker, ok := makers[client]
	switch {
	case !ok:
		return nil, wrongField("for", quoted(client)+" is not one of shell, docker, compose, vm, pod")
	case shell != "" && client != "shell":
		return nil, wrongField("shell", "only for=shell has it; leave it out")
	}
	r := a.reach()
	if r.url == "" && client != "pod" {
		return &api.Lines{For: client, Note: `This daemon listens nowhere for the metadata service; set server.listen to ["127.0.0.1:5000"], and restart it.`}, nil
	}
	lines, notes, err := maker(&r, shell)
	return &api.Lines{For: client, Lines: lines, Note: strings.Join(notes, " ")}, err
}

func (a *App) shellLines(r *reach, name string) (lines string, notes []string, err error) {
	kind, ok := map[string]string{"": "posix", "bash": "posix", "fish": "fish", "powershell": "powershell"}[name]
	if !ok {
		return "", nil, wrongField("shell", quoted(name)+" is not one of bash, fish, powershell")
	}
	sh, err := sdkenv.ShellNamed(kind)
	if err != nil {
		return "", nil, err
	}
	return sh.Lines(sdkenv.New(r.url, nil)), []string{"In a shell with a proxy, use mock-ec2-metadata env: it adds the daemon to NO_PROXY."}, nil
}

// variableNote is for clients that are told where to ask.
const variableNote = "Clients that do not read the variable need 169.254.169.254: restart the daemon with --link-local, or use deploy/compose."

func (a *App) dockerLines(r *reach, _ string) (lines string, notes []string, err error) {
	return r.way().Docker(), a.containerNotes(r), nil
}

func (a *App) composeLines(r *reach, _ string) (lines string, notes []string, err error) {
	return r.way().Compose(), a.containerNotes(r), nil
}

func (a *App) containerNotes(r *reach) []string {
	first := variableNote
	if r.builtIn {
		first = "169.254.169.254 leads to this daemon. If it is in a network of Docker Compose, the container must join that."
	}
	return append([]string{first}, a.forContainers(r)...)
}

func (a *App) vmLines(r *reach, _ string) (lines string, notes []string, err error) {
	notes = a.forContainers(r)
	host, port := "", cmp.Or(r.all, r.port)
	switch {
	case r.all == 0 && r.bridge.IsValid():
		host, port = r.bridge.Addr().String(), r.bridge.Port()
	case r.isAlone():
		notes = append(notes, "As it is, only boxes behind VirtualBox's NAT reach it.")
	}
	if r.builtIn {
		notes = append(notes, "A box whose default gateway is this machine needs no redirect.")
	}
	return sdkenv.NAT(host, port), append([]string{"Run it in the box, beside nat.sh; or put the line of the comment into the Vagrantfile."}, notes...), nil
}

func (a *App) podLines(r *reach, _ string) (lines string, notes []string, err error) {
	s := a.State()
	switch {
	case s.Cluster != nil:
		role := ""
		if roles := slices.Sorted(maps.Keys(s.Config.Config.Roles)); len(roles) > 0 {
			role = roles[0]
		}
		return sdkenv.Pod(role), []string{"The annotation names the role. Without it, kubernetes.rules decide."}, nil
	case r.builtIn:
		return sdkenv.Pod(""), append([]string{
			"Pods of a cluster on this machine alone reach this daemon, and all have one role. For a role for each pod: mock-ec2-metadata-kube up.",
		}, a.forContainers(r)...), nil
	default:
		return sdkenv.Pod(s.role), []string{
			"This daemon serves no cluster. First run mock-ec2-metadata-kube up in a terminal of its own: it gives each pod the role of its annotation.",
		}, nil
	}
}
