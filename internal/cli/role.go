package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/instance"
	"mock-ec2-metadata/internal/probe"
	"mock-ec2-metadata/internal/sdkenv"
)

// loopbackHost is the only address that boto3 before 1.32, such as Debian's, takes a role's credentials from.
const loopbackHost = "127.0.0.1"

// roleTimeout bounds how long exec waits for the first credentials of a role.
const roleTimeout = 5 * time.Second

// rolePlace is where a daemon gives the credentials of a role.
type rolePlace struct {
	url    string // of the daemon, at 127.0.0.1
	id     string // a secret
	region string // "" if the daemon does not tell
	// authorization is what clients must send, too.
	authorization sdkenv.Authorization
}

// changes are those to an environment whose clients are to have the role.
func (p rolePlace) changes(environ []string) sdkenv.Changes {
	return sdkenv.NewRole(p.url, p.id, p.region, p.authorization, environ)
}

// noPlace says why a daemon does not give the credentials of a role, and what to do.
type noPlace struct{ problem, fix string }

func (e *noPlace) Error() string { return e.problem + "; " + e.fix }

// placeOf finds a role of the daemon that answers at an address. addresses are those where it may listen, too. Its error is a
// *noPlace.
func placeOf(ctx context.Context, s *api.Status, role, found string, addresses []string) (rolePlace, error) {
	daemon := "the daemon at " + api.URL(found)
	id := identityOf(s, role)
	switch {
	case role == config.NoRole:
		return rolePlace{}, &noPlace{noRole, "name one of roles, or leave out --role"}
	case id == nil && s.Config.File == "": // it tells other machines less
		return rolePlace{}, &noPlace{
			daemon + " tells the ids of roles to its own machine only, and runs in a container or on another one",
			"run this there, such as: docker exec mock-ec2-metadata /mock-ec2-metadata env --role " + role,
		}
	case id == nil && role == s.Role:
		return rolePlace{}, &noPlace{fmt.Sprintf("%q is the own role of %s, not one of roles", role, daemon), "leave out --role"}
	case id == nil:
		return rolePlace{}, &noPlace{
			fmt.Sprintf("%s has no role %q: it has %s", daemon, role, namesOrNone(rolesOf(s))),
			fmt.Sprintf("add it to roles in %s, and run: mock-ec2-metadata reload", s.Config.File),
		}
	}
	if !isWord(id.ID) || !isWord(id.Region) {
		return rolePlace{}, oddStatus(daemon)
	}
	for _, address := range append([]string{found}, addresses...) {
		if at := atLoopback(ctx, s, address); at != "" {
			return rolePlace{at, id.ID, id.Region, sdkenv.Authorization{}}, nil
		}
	}
	_, port, _ := net.SplitHostPort(found)
	return rolePlace{}, &noPlace{
		fmt.Sprintf("%s does not listen at %s, the only address that older SDKs (Debian's boto3) take the credentials of a role from", daemon, loopbackHost),
		fmt.Sprintf("add %s to server.listen and restart the daemon", net.JoinHostPort(loopbackHost, port)),
	}
}

// isWord reports whether a text of a daemon's status can stand in a command of any shell.
func isWord(text string) bool {
	return strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == ""
}

// oddStatus is the error for a daemon whose ids or region are none.
func oddStatus(daemon string) error {
	return &noPlace{daemon + " has an id or a region in its status that no daemon of this program has", "check what listens there"}
}

// identityOf finds an entry of roles in a status; nil if there is none of this name.
func identityOf(s *api.Status, role string) *api.Identity {
	i := slices.IndexFunc(s.Identities, func(id api.Identity) bool { return id.Role == role && id.ID != "" })
	if i < 0 {
		return nil
	}
	return &s.Identities[i]
}

// atLoopback is the URL of a daemon at 127.0.0.1 and the port of an address; "" if it is not there.
func atLoopback(ctx context.Context, s *api.Status, address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil || port == "0" {
		return ""
	}
	at := net.JoinHostPort(loopbackHost, port)
	if api.Reachable(address) == at {
		return api.URL(at)
	}
	there, err := probe.Status(ctx, api.StatusPage(at))
	if err != nil || !there.StartedAt.Equal(s.StartedAt) {
		return ""
	}
	return api.URL(at)
}

// addressesOf are those where the daemon of a configuration, nil if it is wrong, may listen.
func addressesOf(f *flags, loaded *config.Loaded) []string {
	if loaded == nil {
		return f.listen
	}
	return loaded.Config.Server.Listen
}

// rolesOf are the names of a daemon's roles.
func rolesOf(s *api.Status) []string {
	var names []string
	for _, id := range s.Identities {
		if id.ID != "" {
			names = append(names, id.Role)
		}
	}
	return names
}

// noRole says why the role "none" has no credentials.
const noRole = `"none" is the word for no role, and needs no entry in roles`

// checkRole fails if a configuration has no role of a name. ownFix is what to do for the file's own role.
func checkRole(loaded *config.Loaded, role, ownFix string) error {
	if _, ok := loaded.Config.Roles[role]; ok {
		return nil
	}
	names := slices.Sorted(maps.Keys(loaded.Config.Roles))
	switch role {
	case config.NoRole:
		return fmt.Errorf("%s; it has no credentials: name one of roles, which has %s", noRole, namesOrNone(names))
	case instance.RoleOf(&loaded.Config.Instance):
		return fmt.Errorf("%q is the own role of %s, not one of roles; %s", role, loaded.Name(), ownFix)
	}
	return fmt.Errorf("%s has no role %q: roles has %s; add it there, or name one of these%s", loaded.Name(), role, namesOrNone(names), noFile(loaded))
}

// checkRoleFlag refuses a --role without a name.
func checkRoleFlag(cmd *cobra.Command, role string) error {
	if role == "" && cmd.Flags().Changed("role") {
		return &usageError{errors.New("--role names no role; leave it out for the file's own credentials")}
	}
	return nil
}

// maxNames is how many names a message lists.
const maxNames = 20

// namesOrNone lists names; without any it is the word none.
func namesOrNone(names []string) string {
	switch {
	case len(names) == 0:
		return "none"
	case len(names) > maxNames:
		return strings.Join(names[:maxNames], ", ") + fmt.Sprintf(" and %d more", len(names)-maxNames)
	default:
		return strings.Join(names, ", ")
	}
}

// settle asks for the credentials of a role until its first call of STS has ended, for at most 5 seconds. It returns why there are
// none; "" if there are. status asks the daemon for its status, which has the reason of a 503.
func (p rolePlace) settle(ctx context.Context, status func(context.Context) (*api.Status, error)) (problem string) {
	ctx, cancel := context.WithTimeout(ctx, roleTimeout)
	defer cancel()
	slow := "" // the last 503, and what it means
	for {
		problem, temporary := p.ask(ctx)
		switch {
		case ctx.Err() != nil && slow != "": // the time is up, not the daemon's answer
			return slow
		case !temporary:
			return problem
		}
		slow = fmt.Sprintf("STS is slow or cannot be reached (%s); see %sstatus", problem, p.url)
		s, err := status(ctx)
		if err != nil {
			return slow
		}
		i := slices.IndexFunc(s.Identities, func(id api.Identity) bool { return id.ID == p.id })
		if i < 0 {
			return problem
		}
		switch c := s.Identities[i].Credentials; c.State {
		case api.StatePending:
		case api.StateValid: // since the answer
			problem, _ = p.ask(ctx)
			return problem
		default:
			return cmp.Or(c.LastError, slow)
		}
	}
}

// ask asks once. temporary says that the answer may change without a fix. No text that it returns has the id.
func (p rolePlace) ask(ctx context.Context) (problem string, temporary bool) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"v2/credentials/"+p.id, nil)
	if err != nil {
		return "the daemon's address is malformed", false
	}
	value, err := p.authorization.Read()
	if err != nil {
		return err.Error(), false
	}
	if value != "" {
		req.Header.Set("Authorization", value)
	}
	// The proxy settings are for the network outside.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // without the URL
	}
	if err != nil {
		return "the daemon does not answer: " + err.Error(), false
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusOK {
		return "", false
	}
	var refusal struct{ Code, Message string }
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&refusal); err != nil || refusal.Message == "" {
		return "the daemon answers " + resp.Status, false
	}
	return refusal.Code + ": " + refusal.Message, resp.StatusCode == http.StatusServiceUnavailable
}

// roleAsker asks for the MFA codes of one role.
type roleAsker struct {
	*app.App
	role string
}

// MFASerial is the device whose code the role waits for; "" when it waits for none.
func (r roleAsker) MFASerial() string { return r.MFASerialOf(r.role) }

// AnswerMFA takes what was typed, and says what it gave.
func (r roleAsker) AnswerMFA(ctx context.Context, typed string) (string, error) {
	return r.AnswerMFAOf(ctx, r.role, typed)
}
