package app

import (
	"cmp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/imds"
	"mock-ec2-metadata/internal/instance"
	"mock-ec2-metadata/internal/sts"
	"mock-ec2-metadata/internal/web"
)

// Observer is told what happens in the daemon. Package metrics implements it. Its methods may be called concurrently, must not block,
// and get no secret.
type Observer interface {
	// Request is a request that the guard has allowed, if it is worth a line of the access log: health checks are not. status is 0 if no
	// answer was sent, imds is v1, v2 or "".
	Request(route web.Route, status int, imds string)
	// Token is a session token given, or why one was refused.
	Token(e imds.TokenEvent)
	// Called is a call of STS, SSO or a login.
	Called(c sts.Call)
	// Renewed is the end of a call for the credentials of a role.
	Renewed(r Role, ok bool)
	// Waited is a client that had to wait for credentials.
	Waited(took time.Duration, served bool)
	// Reloaded is the end of a reload.
	Reloaded(ok bool)
	// FaultHit is an answer that a fault has changed; effect is one of fault.Effects.
	FaultHit(effect string)
	// Located is how long it took to find the pod of a client.
	Located(took time.Duration)
	// Denied is a client in a cluster that gets nothing, and one of DeniedReasons.
	Denied(why string)
}

// Metrics is a listener for a monitoring system. Package metrics implements it.
type Metrics interface {
	// Serve answers until Close.
	Serve()
	Close()
}

// Why clients in a cluster get nothing.
const (
	deniedByRules   = "not_allowed" // the role that the pod names
	deniedBySTS     = "refused"
	deniedUnknown   = "unknown"
	deniedElsewhere = "elsewhere" // another node's pod
	deniedMoved     = "moved"     // the pod of the connection has lost its address
)

// DeniedReasons are all values of Observer.Denied.
func DeniedReasons() []string {
	return []string{deniedByRules, deniedBySTS, deniedUnknown, deniedElsewhere, deniedMoved}
}

// Role names a role in metrics: by its name in roles, else that of the IAM role, and its account. It is no ARN.
type Role struct{ Name, Account string }

// metricsRole is the role of credentials, as far as they tell it themselves.
func metricsRole(s *credentials.Spec) Role {
	var r Role
	role, _ := arn.Parse(s.RoleARN)
	if target, err := arn.Parse(s.Target.RoleARN); err == nil {
		role = target
	}
	if role.AccountID != "" {
		r.Name, r.Account = role.Resource[strings.LastIndexByte(role.Resource, '/')+1:], role.AccountID
	}
	if name, ok := strings.CutPrefix(s.Entry, "roles."); ok {
		r.Name = name
	}
	return r
}

// or is the role with what it lacks from the file's own instance.
func (r Role) or(in *config.Instance) Role {
	return Role{cmp.Or(r.Name, instance.RoleOf(in)), cmp.Or(r.Account, in.AWS.AccountID)}
}

// observed tells an Observer of the credentials of a role.
type observed struct {
	app   *App
	named Role // as metricsRole has it: a reload can change the rest
}

// role is the role by the configuration in force.
func (o *observed) role() Role { return o.named.or(&o.app.State().Config.Config.Instance) }

// Renewed is the end of a call.
func (o *observed) Renewed(ok bool) { o.app.opt.Observer.Renewed(o.role(), ok) }

// Waited is a client that had to wait.
func (o *observed) Waited(took time.Duration, served bool) { o.app.opt.Observer.Waited(took, served) }

// observeKeepers makes what is told of a keeper; nil without an Observer.
func (a *App) observeKeepers() func(credentials.Spec) credentials.Observer {
	if a.opt.Observer == nil {
		return nil
	}
	return func(s credentials.Spec) credentials.Observer { return &observed{a, metricsRole(&s)} }
}

// denied tells the Observer of a client that gets nothing.
func (a *App) denied(why string) {
	if a.opt.Observer != nil {
		a.opt.Observer.Denied(why)
	}
}
