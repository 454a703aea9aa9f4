package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"runtime"
	"slices"
	"strings"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/guard"
	"mock-ec2-metadata/internal/instance"
	"mock-ec2-metadata/internal/probe"
	"mock-ec2-metadata/internal/route"
	"mock-ec2-metadata/internal/sdkenv"
)

// examineListener looks for the daemon where the configuration has it listen.
func (d *doctor) examineListener(ctx context.Context) Finding {
	d.found = app.ListenAddress(d.opt.Listen, d.loaded)
	if _, port, _ := net.SplitHostPort(d.found); port == "0" {
		free := d.found
		d.found = config.DefaultListen // as an example
		return Finding{Mark: Skip, Text: fmt.Sprintf("not tried: %s is any free port, and only the daemon's log says which; name it by --listen", free)}
	}
	found, s, err := probe.First(ctx, app.Places(d.opt.Listen, d.found))
	_, stranger := errors.AsType[*probe.StrangerError](err)
	switch {
	case stranger:
		return Finding{Mark: Fail, Text: err.Error() + "; stop it, or choose another address with --listen"}
	case err != nil && d.loaded == nil && len(d.opt.Listen) == 0:
		return Finding{Mark: Skip, Text: err.Error() + ", and the configuration, which may name another address, is wrong"}
	case err != nil:
		return Finding{Mark: Fail, Text: err.Error() + "; start the daemon, with the same flags: mock-ec2-metadata serve"}
	}
	d.found, d.daemon = found, s
	return d.judge(s)
}

// judge says whether the daemon is healthy, and whether it is the one that the configuration describes.
func (d *doctor) judge(s *api.Status) Finding {
	name := "the daemon at " + d.url()
	if problems := s.Problems(); len(problems) > 0 {
		var lines []string
		for line := range strings.Lines(strings.Join(problems, "\n")) {
			lines = append(lines, name+" is degraded: "+strings.TrimSpace(line))
		}
		return Finding{Mark: Fail, Text: strings.Join(lines, "\n")}
	}
	serves := fmt.Sprintf("%s serves %s", name, s.Serves())
	if d.loaded != nil {
		c := d.loaded.Config
		if role := instance.RoleOf(&c.Instance); s.InstanceID != c.EC2.InstanceID || s.Role != role {
			return Finding{Mark: Note, Text: fmt.Sprintf("%s, but this configuration is of %s; run doctor where the daemon was started, or with its --config and flags, or restart the daemon with these",
				serves, api.Describe(c.EC2.InstanceID, role, d.loaded.Name()))}
		}
	}
	if keys := s.Config.NeedsRestart; len(keys) > 0 {
		return Finding{Mark: Note, Text: fmt.Sprintf("%s; restart it, since these keys changed: %s", serves, strings.Join(keys, ", "))}
	}
	return Finding{Mark: OK, Text: serves}
}

// url is where clients of this machine find the daemon.
func (d *doctor) url() string { return api.URL(d.found) }

// examineGuard says which clients get what.
func (d *doctor) examineGuard(context.Context) Finding {
	c, listen := d.loaded.Config, d.loaded.Config.Server.Listen
	if d.daemon != nil && !slices.Contains(listen, d.found) {
		listen = []string{d.found} // the daemon has not been restarted
	}
	where := strings.Join(listen, " and ")
	if !slices.ContainsFunc(listen, func(address string) bool { return !isLoopback(address) }) {
		return Finding{Mark: OK, Text: where + ": only this machine can reach that"}
	}
	gets := "the role's credentials"
	switch {
	case instance.RoleOf(&c.Instance) == "":
		gets = "the metadata"
	case c.Credentials.Mock:
		gets = "the metadata and made-up credentials"
	}
	also, err := app.HostNetworks(d.opt.Sources.Environ)
	if err != nil {
		return failure(err)
	}
	networks := guard.NewNetworks(d.opt.Log, also...).Virtual()
	return Finding{Mark: OK, Text: fmt.Sprintf("%s: %s for: %s", where, gets, app.DescribeClients(c, networks))}
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || host == "localhost"
}

// service is where clients of this machine look for the metadata service.
type service struct {
	url string
	// told says that sdkenv.EndpointVariable names it.
	told bool
}

func serviceOf(environ []string) service {
	if value := sdkenv.Lookup(environ, sdkenv.EndpointVariable); value != "" {
		return service{url: value, told: true}
	}
	return service{url: "http://169.254.169.254/"}
}

// String names it in a message.
func (s service) String() string {
	if s.told {
		return s.url + " (" + sdkenv.EndpointVariable + ")"
	}
	return s.url
}

// examineRedirect looks at what answers where clients look for the metadata service. It should be the daemon.
func (d *doctor) examineRedirect(ctx context.Context) Finding {
	s := d.service
	tell := "export " + sdkenv.EndpointVariable + "=" + d.url()
	base, err := url.Parse(s.url)
	if err != nil || base.Scheme != "http" || base.Host == "" {
		return Finding{Mark: Fail, Text: fmt.Sprintf("%s=%q is no http:// address; %s", sdkenv.EndpointVariable, s.url, tell)}
	}
	if d.daemon == nil && base.Host == api.Reachable(d.found) {
		return Finding{Mark: Skip, Text: fmt.Sprintf("not tried: clients look at %s, where listener has found no daemon", s)}
	}
	there, err := probe.Status(ctx, base.JoinPath("status").String())
	stranger, isStranger := errors.AsType[*probe.StrangerError](err)
	switch {
	case isStranger && probe.IsEC2(ctx, base, stranger):
		return Finding{Mark: Fail, Text: fmt.Sprintf("%s is a real EC2 metadata service: clients here get that machine's own role; tell SDKs: %s", s, tell)}
	case isStranger:
		return Finding{Mark: Fail, Text: fmt.Sprintf("%v; stop that, remove what redirects %s to it, or tell SDKs: %s", stranger, s, tell)}
	case err != nil && s.told:
		return Finding{Mark: Fail, Text: fmt.Sprintf("%s tells SDKs to ask there, but %v; %s", sdkenv.EndpointVariable, err, tell)}
	case err != nil && d.inPlace():
		return Finding{Mark: Note, Text: fmt.Sprintf("%v; the address is in place, so the daemon does not listen there, or a rule takes the requests away (see firewall); tell SDKs: %s", err, tell)}
	case err != nil:
		return Finding{Mark: Note, Text: fmt.Sprintf("%v; this machine is not redirected, so tell SDKs: %s (or for all clients: %s; in virtual machines: nat.sh)",
			err, tell, route.HowTo(runtime.GOOS))}
	case d.daemon == nil:
		return Finding{Mark: Note, Text: fmt.Sprintf("%s leads to a mock-ec2-metadata, %s, but not to one at %s",
			s, there.Serves(), d.url())}
	case there.StartedAt.IsZero() || !there.StartedAt.Equal(d.daemon.StartedAt):
		return Finding{Mark: Fail, Text: fmt.Sprintf("%s leads to another mock-ec2-metadata, %s, than the one at %s; stop that, or tell SDKs: %s",
			s, there.Serves(), d.url(), tell)}
	case s.told && !strings.HasSuffix(s.url, "/"):
		return Finding{Mark: Note, Text: fmt.Sprintf("%s leads to the daemon, but some versions of the AWS CLI want a slash at the end: %s", s, tell)}
	default:
		return Finding{Mark: OK, Text: fmt.Sprintf("%s leads to the daemon", s)}
	}
}

// inPlace tells whether this machine has the service's address.
func (d *doctor) inPlace() bool {
	places, err := d.machine.places(route.Services{})
	return err == nil && places[0].Ours
}
