package doctor

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"mock-ec2-metadata/internal/sdkenv"
)

// Variables by which containers get credentials (container-credentials-reference section 2).
const (
	relativeURI = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
	fullURI     = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
	webIdentity = "AWS_WEB_IDENTITY_TOKEN_FILE"
	ipMode      = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"
)

// ecsAddress is where clients look for credentials of ECS tasks.
const ecsAddress = "169.254.170.2"

// podAddresses are those of EKS Pod Identity.
func podAddresses() []string { return []string{"169.254.170.23", "fd00:ec2::23"} }

// containerWay is where the variables of containers send clients. Its path and query may hold an id, which is a secret.
type containerWay struct {
	variable    string // that counts; "" if neither is set
	scheme      string // "" if the value is no URL that a client can use
	host        string // without port and brackets
	path, query string
	ours        bool // leads to the daemon: at its address, or by the id of one of its roles
	pods        bool // leads to EKS Pod Identity, which needs a token
}

// containerWay follows the variables as SDKs do.
func (d *doctor) containerWay(environ []string) containerWay {
	w, text := containerWay{variable: relativeURI}, ""
	if path := sdkenv.Lookup(environ, relativeURI); strings.HasPrefix(path, "/") {
		text = "http://" + ecsAddress + path
	} else if path == "" {
		w.variable, text = fullURI, sdkenv.Lookup(environ, fullURI)
		if text == "" {
			return containerWay{}
		}
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return w
	}
	w.scheme, w.host, w.path, w.query = u.Scheme, strings.ToLower(u.Hostname()), u.Path, u.RawQuery
	_, port, _ := net.SplitHostPort(d.found)
	here := d.daemon != nil && w.scheme == "http" && (w.host == "127.0.0.1" || w.host == "localhost") && u.Port() == port
	pod := w.path == "/v1/credentials" && w.id() == ""
	w.ours = here && (pod || w.id() != "") || w.variable == relativeURI && d.roleOf(w.id()) != "" ||
		pod && w.scheme == "http" && d.servesPods(w.host, u.Port())
	w.pods = here && pod || slices.Contains(podAddresses(), w.host)
	return w
}

// servesPods reports whether the daemon listens at an address of EKS Pod Identity.
func (d *doctor) servesPods(host, port string) bool {
	return d.daemon != nil && d.daemon.PodIdentity != nil &&
		slices.Contains(d.daemon.PodIdentity.Listen, net.JoinHostPort(host, cmp.Or(port, "80")))
}

// id is the id of a role in the path or the query; "" without.
func (w containerWay) id() string {
	if w.path == "/v1/credentials" {
		query, _ := url.ParseQuery(w.query)
		return query.Get("id")
	}
	if id, ok := strings.CutPrefix(w.path, "/v2/credentials/"); ok {
		return id
	}
	return ""
}

// containerVariables says what is wrong with the variables of containers, a line each. It asks no network, and never shows values
// that may be secrets.
func (d *doctor) containerVariables(environ []string, w containerWay) (lines []string) {
	if w.variable != relativeURI && slices.Contains(environ, relativeURI+"=") {
		lines = append(lines, relativeURI+" is set but empty: boto3 and the AWS CLI ask http://"+ecsAddress+" all the same, other SDKs ignore it; unset it")
	}
	if w.variable == "" {
		return lines
	}
	switch {
	case w.variable == relativeURI && w.scheme == "":
		lines = append(lines, relativeURI+" is no path that begins with a slash, so that every SDK fails; begin it with one, or unset it")
	case w.variable == relativeURI && w.ours:
		lines = append(lines, "clients that you start from this shell get the role "+d.roleOf(w.id())+" from the daemon ("+relativeURI+", at "+ecsAddress+")")
	case w.variable == relativeURI && d.daemon != nil && d.daemon.ECS != nil && len(d.daemon.ECS.Listen) > 0:
		lines = append(lines, relativeURI+" sends clients to the daemon at "+ecsAddress+`, but has an id that is none of its own; set it again: eval "$(mock-ec2-metadata env --ecs)"`)
	case w.variable == relativeURI:
		lines = append(lines, relativeURI+" sends clients to "+ecsAddress+", where the daemon is with ecs.enabled only; if that fails, they do not go on to the metadata service; unset it if it is an old one")
	case w.scheme == "":
		lines = append(lines, fullURI+" is no URL of http or https, so that every SDK fails; set it to one, or unset it")
	case w.ours && w.pods:
		lines = append(lines, "clients that you start from this shell get credentials from the daemon as pods of EKS do ("+fullURI+")")
		lines = append(lines, hostLines(w.host)...)
	case w.ours:
		lines = append(lines, d.roleLine(w.id()))
	case w.scheme == "https":
		lines = append(lines, fullURI+" is an https URL, which boto3 before 1.42.5 refuses; unset it, or start clients with: mock-ec2-metadata exec --role NAME -- COMMAND")
	default:
		lines = append(lines, hostLines(w.host)...)
	}
	if w.variable == relativeURI && sdkenv.Lookup(environ, fullURI) != "" {
		lines = append(lines, relativeURI+" wins over "+fullURI+" in every SDK; unset the one that you do not mean")
	}
	if line := javaLine(w, sdkenv.Lookup(environ, ipMode)); line != "" {
		lines = append(lines, line)
	}
	if sdkenv.Lookup(environ, webIdentity) != "" {
		lines = append(lines, webIdentity+" wins over "+w.variable+" in boto3 and in the SDKs for Go and JavaScript; unset "+webIdentity+" and AWS_ROLE_ARN")
	}
	return append(lines, d.tokenLines(environ, w)...)
}

// hostLines says which SDKs refuse a host over http (container-credentials-reference section 7.1).
func hostLines(host string) []string {
	const instead = "; use 127.0.0.1, or from a container " + ecsAddress + " (ecs.enabled)"
	a, err := netip.ParseAddr(host)
	switch {
	case host == "127.0.0.1", host == "localhost", host == ecsAddress:
		return nil
	case slices.Contains([]string{"host.docker.internal", "gateway.docker.internal", "host.containers.internal"}, host):
		return []string{fullURI + " leads to " + host + ", which every SDK refuses over http; from a container use " + ecsAddress + " (ecs.enabled)"}
	case err != nil:
		return []string{fmt.Sprintf("%s leads to %s over http, a name that boto3 and the SDK for JavaScript refuse, and others unless it is one of loopback addresses%s", fullURI, host, instead)}
	case slices.Contains(podAddresses(), a.String()):
		return []string{fullURI + " leads to " + host + ", which boto3 before 1.32 refuses, as Debian 12's boto3 1.26.27 and AWS CLI 2.9.19 do; use newer ones there, or " + ecsAddress + " (ecs.enabled)"}
	case a.Unmap().IsLoopback():
		return []string{fullURI + " leads to " + host + ", which boto3 before 1.32 refuses, as Debian 12's boto3 1.26.27 and AWS CLI 2.9.19 do; use 127.0.0.1"}
	default:
		return []string{fullURI + " leads to " + host + ", which every SDK refuses over http" + instead}
	}
}

// javaLine says whether the SDK for Java refuses an address because of the other family's mode.
func javaLine(w containerWay, mode string) string {
	six := strings.EqualFold(mode, "IPv6")
	switch {
	case w.scheme != "http":
	case w.host == "fd00:ec2::23" && !six:
		return "the SDK for Java refuses " + w.host + " unless " + ipMode + " is IPv6; for Java clients: export " + ipMode + "=IPv6"
	case six && (w.host == ecsAddress || w.host == "169.254.170.23"):
		return ipMode + " is IPv6, so that the SDK for Java refuses " + w.host + "; unset it"
	}
	return ""
}

// goProxy is the variable of the proxy that Go clients use for http; "" without. Other SDKs ask a container's service without one.
func goProxy(environ []string) string {
	for _, name := range []string{"HTTP_PROXY", "http_proxy"} {
		if sdkenv.Lookup(environ, name) != "" {
			return name
		}
	}
	return ""
}

// swallowedInGo reports whether Go clients ask a proxy. They exempt loopback addresses by themselves, and know networks.
func (w containerWay) swallowedInGo(environ []string) bool {
	if goProxy(environ) == "" || w.scheme != "http" || w.host != ecsAddress && !slices.Contains(podAddresses(), w.host) {
		return false
	}
	list := sdkenv.Lookup(environ, "NO_PROXY")
	if list == "" {
		list = sdkenv.Lookup(environ, "no_proxy")
	}
	direct, network := exempts(list, w.host)
	return !direct && network == ""
}

// roleOf is the role of the daemon that an id is of; "" if it is none's.
func (d *doctor) roleOf(id string) string {
	if d.daemon == nil || id == "" {
		return ""
	}
	for _, identity := range d.daemon.Identities {
		if identity.ID == id {
			return identity.Role
		}
	}
	if d.daemon.ECS != nil {
		for _, c := range d.daemon.ECS.Containers {
			if c.CredentialsID == id {
				return c.Role
			}
		}
	}
	return ""
}

// roleLine says which role of the daemon the id of a full URI is of.
func (d *doctor) roleLine(id string) string {
	if role := d.roleOf(id); role != "" {
		return "clients that you start from this shell get the role " + role + " from the daemon (" + fullURI + ", as env sets it)"
	}
	return fullURI + ` leads to the daemon, but has an id that is none of its roles'; set it again: eval "$(mock-ec2-metadata env --role NAME)"`
}
