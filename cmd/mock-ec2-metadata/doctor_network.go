package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime"
	"slices"
	"strings"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/guard"
	"mock-ec2-metadata/internal/instance"
)

// examineListener looks for the daemon where the configuration has it listen.
func (d *doctor) examineListener(ctx context.Context) finding {
	d.found = listenAddress(d.flags, d.loaded)
	if _, port, _ := net.SplitHostPort(d.found); port == "0" {
		free := d.found
		d.found = config.DefaultListen // as an example
		return finding{mark: skipMark, text: fmt.Sprintf("not tried: %s is any free port, and only the daemon's log says which; name it by --listen", free)}
	}
	found, s, err := findDaemon(ctx, places(d.flags, d.found))
	_, stranger := errors.AsType[*strangerError](err)
	switch {
	case stranger:
		return finding{mark: failMark, text: err.Error() + "; stop that, or choose another address with --listen"}
	case err != nil && d.loaded == nil && len(d.flags.listen) == 0:
		return finding{mark: skipMark, text: err.Error() + ", and the configuration, which may name another address, is wrong"}
	case err != nil:
		return finding{mark: failMark, text: err.Error() + "; start the daemon, with the same flags: mock-ec2-metadata serve"}
	}
	d.found, d.daemon = found, s
	return d.judge(s)
}

// judge says how the daemon is, and whether it is the one that is meant.
func (d *doctor) judge(s *status) finding {
	name := "the daemon at " + d.url()
	if problems := s.problems(); len(problems) > 0 {
		var lines []string
		for line := range strings.Lines(strings.Join(problems, "\n")) {
			lines = append(lines, name+" is degraded: "+strings.TrimSpace(line))
		}
		return finding{mark: failMark, text: strings.Join(lines, "\n")}
	}
	serves := fmt.Sprintf("%s serves %s", name, describeInstance(s.InstanceID, s.Role, s.Config.File))
	if d.loaded != nil {
		c := d.loaded.Config
		if role := instance.RoleOf(c); s.InstanceID != c.EC2.InstanceID || s.Role != role {
			return finding{mark: noteMark, text: fmt.Sprintf("%s, but this configuration is of %s; if they should be the same, restart the daemon with the same flags",
				serves, describeInstance(c.EC2.InstanceID, role, d.loaded.Name()))}
		}
	}
	if keys := s.Config.NeedsRestart; len(keys) > 0 {
		return finding{mark: noteMark, text: fmt.Sprintf("%s; restart it, for these have changed: %s", serves, strings.Join(keys, ", "))}
	}
	return finding{mark: okMark, text: serves}
}

func describeInstance(id, role, file string) string {
	with := "with role " + role
	if role == "" {
		with = "without a role"
	}
	if file == "" { // it does not tell other machines, nor containers their own
		return fmt.Sprintf("%s %s", id, with)
	}
	return fmt.Sprintf("%s %s (%s)", id, with, file)
}

// url is where clients of this machine find the daemon.
func (d *doctor) url() string { return "http://" + reachable(d.found) + "/" }

// examineGuard says who can reach the daemon.
func (d *doctor) examineGuard(ctx context.Context) finding {
	c, listen := d.loaded.Config, d.loaded.Config.Server.Listen
	if d.daemon != nil && !slices.Contains(listen, d.found) {
		listen = []string{d.found} // it has not been restarted
	}
	where := strings.Join(listen, " and ")
	if !slices.ContainsFunc(listen, func(address string) bool { return !isLoopback(address) }) {
		return finding{mark: okMark, text: where + ": nobody but this machine can reach that"}
	}
	gets := "the role's credentials"
	switch {
	case instance.RoleOf(c) == "":
		gets = "the metadata"
	case c.Credentials.Mock:
		gets = "the metadata and made-up credentials"
	}
	also, err := hostNetworks(d.flags.environ)
	if err != nil {
		return failure(err)
	}
	networks := guard.NewNetworks(ctx, d.log, also...).Virtual()
	return finding{mark: okMark, text: fmt.Sprintf("%s: who gets %s there: %s", where, gets, describeClients(c, networks))}
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || host == "localhost"
}

// endpointVariable tells SDKs where the metadata service is.
const endpointVariable = "AWS_EC2_METADATA_SERVICE_ENDPOINT"

// service is where clients of this machine look for the metadata service.
type service struct {
	url string
	// told says that endpointVariable names it.
	told bool
}

func serviceOf(environ []string) service {
	s := service{url: "http://169.254.169.254/"}
	for _, entry := range environ {
		if value, ok := strings.CutPrefix(entry, endpointVariable+"="); ok && value != "" {
			s = service{url: value, told: true}
		}
	}
	return s
}

// String names it in a message.
func (s service) String() string {
	if s.told {
		return s.url + " (" + endpointVariable + ")"
	}
	return s.url
}

// examineRedirect asks whoever answers where clients look for the metadata service, and wants the daemon there.
func (d *doctor) examineRedirect(ctx context.Context) finding {
	s := d.service
	tell := "export " + endpointVariable + "=" + d.url()
	base, err := url.Parse(s.url)
	if err != nil || base.Scheme != "http" || base.Host == "" {
		return finding{mark: failMark, text: fmt.Sprintf("%s=%q is no http:// address; %s", endpointVariable, s.url, tell)}
	}
	if d.daemon == nil && base.Host == reachable(d.found) {
		return finding{mark: skipMark, text: fmt.Sprintf("not tried: clients look at %s, where listener has found no daemon", s)}
	}
	there, err := askStatus(ctx, base.JoinPath("status").String())
	stranger, isStranger := errors.AsType[*strangerError](err)
	switch {
	case isStranger && isEC2(ctx, base, stranger):
		return finding{mark: failMark, text: fmt.Sprintf("%s is a real EC2's metadata service: clients here get that machine's own role; tell SDKs: %s", s, tell)}
	case isStranger:
		return finding{mark: failMark, text: fmt.Sprintf("%v; stop that, take away what redirects %s to it, or tell SDKs: %s", stranger, s, tell)}
	case err != nil && s.told:
		return finding{mark: failMark, text: fmt.Sprintf("%s tells SDKs to ask there, but %v; %s", endpointVariable, err, tell)}
	case err != nil:
		return finding{mark: noteMark, text: fmt.Sprintf("%v; this machine is not redirected, so tell SDKs: %s (or for all clients: %s; in virtual machines: nat.sh)",
			err, tell, takeAddress(runtime.GOOS))}
	case d.daemon == nil:
		return finding{mark: noteMark, text: fmt.Sprintf("%s leads to a mock-ec2-metadata, %s, but not to one at %s",
			s, describeInstance(there.InstanceID, there.Role, there.Config.File), d.url())}
	case there.StartedAt.IsZero() || !there.StartedAt.Equal(d.daemon.StartedAt):
		return finding{mark: failMark, text: fmt.Sprintf("%s leads to another mock-ec2-metadata, %s, than the one at %s; stop that, or tell SDKs: %s",
			s, describeInstance(there.InstanceID, there.Role, there.Config.File), d.url(), tell)}
	case s.told && !strings.HasSuffix(s.url, "/"):
		return finding{mark: noteMark, text: fmt.Sprintf("%s leads to the daemon, but some versions of the AWS CLI want a slash at the end: %s", s, tell)}
	default:
		return finding{mark: okMark, text: fmt.Sprintf("%s leads to the daemon", s)}
	}
}

// isEC2 says whether a stranger looks like the real service: it has EC2's name, no /status, and gives session tokens.
func isEC2(ctx context.Context, base *url.URL, stranger *strangerError) bool {
	if stranger.server != "EC2ws" {
		return false
	}
	resp, err := ask(ctx, http.MethodPut, base.JoinPath("latest/api/token").String(), http.Header{"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": {"60"}})
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK && resp.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds") == "60"
}
