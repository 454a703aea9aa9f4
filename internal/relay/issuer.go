package relay

import (
	"context"
	"fmt"
	"time"

	"mock-ec2-metadata/internal/credentials"
)

// Issuer decides on the laptop what a pod gets, and gets it. Wishes for equal Specs share a keeper of Pool, from all nodes.
type Issuer struct {
	// Decide makes the Spec of a wish by the laptop's own copy of the rules, from the Subject alone. It may take the SessionName and
	// the Duration of the wish where the rules leave them open. Its error goes to the pod, and so holds no secret.
	Decide func(Wish) (credentials.Spec, error)
	// Pool has been started.
	Pool *credentials.Pool
}

// Issue returns credentials for a wish. It fails with an *Error, of which Temporary says that the laptop goes on trying: also when the
// call needs an MFA code. A wish for another role than Decide finds is refused.
func (i Issuer) Issue(ctx context.Context, w Wish) (*credentials.Credentials, error) {
	_, c, err := i.issue(ctx, w)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// issue returns the keeper too; nil if the wish is refused.
func (i Issuer) issue(ctx context.Context, w Wish) (*credentials.Keeper, *credentials.Credentials, *credentials.Error) {
	spec, err := i.Decide(w)
	if err != nil {
		return nil, nil, refusal(err)
	}
	if role := spec.IssuedRole(); role != w.Role {
		return nil, nil, &credentials.Error{Code: credentials.CodeUnauthorized, Message: fmt.Sprintf(
			"the laptop's rules give %s the role %q, not %q; run mock-ec2-metadata-kube up again, so that the cluster has the same rules",
			who(w.Subject), role, w.Role)}
	}
	keeper := i.Pool.Keeper(spec)
	c, err := keeper.Fresh(ctx, enough(w, spec))
	switch {
	case err != nil && ctx.Err() != nil:
		return keeper, nil, stillFetching()
	case err != nil:
		return keeper, nil, failure(keeper, err)
	case !isSession(c):
		return keeper, nil, &credentials.Error{
			Code:    credentials.CodeProfile,
			Message: "the laptop has no session credentials for this role, and long-lived keys do not leave it; name a role",
		}
	}
	return keeper, c, nil
}

func stillFetching() *credentials.Error {
	return &credentials.Error{Code: credentials.CodeFailed, Temporary: true, Message: "the laptop is still fetching the credentials; retry"}
}

// enough is how much time the credentials for a pod must have left. Its keeper asks again at the half of that at the latest, and then
// the credentials have RefreshBefore left.
func enough(w Wish, s credentials.Spec) time.Duration {
	return 2 * max(w.RefreshBefore, s.RefreshBefore)
}

// refusal is the error of Decide as it travels to the pod.
func refusal(err error) *credentials.Error {
	e := *asError(err, false)
	if e.Code == credentials.CodeFailed && !e.Temporary {
		e.Code = credentials.CodeUnauthorized
	}
	return &e
}

// failure is a keeper's error as it travels to the pod. One that a code on the laptop ends is temporary there.
func failure(k *credentials.Keeper, err error) *credentials.Error {
	e := *asError(err, true)
	if k.State().MFASerial != "" {
		e.Temporary = true
	}
	e.Message = "on the laptop: " + e.Message
	return &e
}
