package sts

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/sso"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	smithymiddleware "github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Outcome is how a call of a service has ended.
type Outcome uint8

// The outcomes of calls.
const (
	Success Outcome = iota
	Refused
	Throttled
	Unreachable
	Timeout
	Invalid // an answer that is not the service's
	// Outcomes is how many there are.
	Outcomes
)

// String is the outcome's name in metrics.
func (o Outcome) String() string {
	return [Outcomes]string{
		Success: "success", Refused: "refused", Throttled: "throttled", Unreachable: "unreachable", Timeout: "timeout", Invalid: "invalid",
	}[o]
}

// Call is a call of STS, SSO or a login. It holds no secret.
type Call struct {
	Operation string
	Outcome   Outcome
	Code      string // of AWS, as it has come; "" for none
	Took      time.Duration
}

// middleware is what each call passes, the outermost last.
func (o Options) middleware() []func(*smithymiddleware.Stack) error {
	all := []func(*smithymiddleware.Stack) error{smithyhttp.AddHeaderValue(OriginHeader, o.Origin), boundRequests}
	if o.Observe != nil {
		all = append(all, o.observeRequests)
	}
	return all
}

// observed are the services whose calls are told: not the sources on this machine, such as a metadata service.
var observed = map[string]bool{awssts.ServiceID: true, "SSO": true, "SSO OIDC": true, "Signin": true}

// observeRequests tells Observe of the calls of a client.
func (o Options) observeRequests(stack *smithymiddleware.Stack) error {
	return stack.Deserialize.Add(smithymiddleware.DeserializeMiddlewareFunc("Observe",
		func(ctx context.Context, in smithymiddleware.DeserializeInput, next smithymiddleware.DeserializeHandler) (smithymiddleware.DeserializeOutput, smithymiddleware.Metadata, error) {
			began := time.Now()
			out, metadata, err := next.HandleDeserialize(ctx, in)
			if observed[middleware.GetServiceID(ctx)] && !errors.Is(err, context.Canceled) {
				outcome, code := outcomeOf(out.Result, err)
				o.Observe(Call{middleware.GetOperationName(ctx), outcome, code, time.Since(began)})
			}
			return out, metadata, err
		}), smithymiddleware.Before)
}

// outcomeOf says how a call has ended.
func outcomeOf(result any, err error) (outcome Outcome, code string) {
	if err == nil {
		return outcomeOfResult(result), ""
	}
	api, ok := errors.AsType[smithy.APIError](err)
	switch {
	case ok && isThrottled(err, api):
		return Throttled, api.ErrorCode()
	case ok && api.ErrorCode() == "UnknownError": // the SDK's code for a response that is not AWS's
		return Invalid, ""
	case ok:
		return Refused, api.ErrorCode()
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout, ""
	case unreadable(err):
		return Invalid, ""
	default:
		return Unreachable, ""
	}
}

// outcomeOfResult is that of an answer that could be read: it may lack what it is for, such as that of a login page.
func outcomeOfResult(result any) Outcome {
	lacks := false
	switch out := result.(type) {
	case *awssts.AssumeRoleOutput:
		lacks = out.Credentials == nil
	case *awssts.AssumeRoleWithWebIdentityOutput:
		lacks = out.Credentials == nil
	case *awssts.GetSessionTokenOutput:
		lacks = out.Credentials == nil
	case *awssts.GetCallerIdentityOutput:
		lacks = out.Arn == nil
	case *sso.GetRoleCredentialsOutput:
		lacks = out.RoleCredentials == nil
	}
	if lacks {
		return Invalid
	}
	return Success
}
