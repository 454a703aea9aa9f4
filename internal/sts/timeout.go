package sts

import (
	"context"
	"time"

	"github.com/aws/smithy-go/middleware"

	"mock-ec2-metadata/internal/credentials"
)

const (
	// requestTimeout bounds one request to an AWS service: STS, SSO, or the renewal of a login. They answer within a second
	// or two. A request that hangs longer was lost in an outage, and only a new one ends with it.
	requestTimeout = 10 * time.Second
	// processTimeout bounds a credential_process, which may wait for its user.
	processTimeout = credentials.RetrieveTimeout - 5*time.Second
)

// boundRequests adds requestTimeout to the calls of a client. It starts when a request is sent: before that, a client may
// wait for its own credentials, such as those of a credential_process.
func boundRequests(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("RequestTimeout",
		func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
			ctx, cancel := context.WithTimeout(ctx, requestTimeout)
			defer cancel() // the response has been read
			return next.HandleDeserialize(ctx, in)
		}), middleware.Before)
}
