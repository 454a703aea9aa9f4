package control

import (
	"context"
	"net/http"

	"mock-ec2-metadata/internal/api"
)

// OpenConsole has the daemon open its console, and returns the URL that works once.
func (c *Client) OpenConsole(ctx context.Context) (api.ConsoleURL, error) {
	var u api.ConsoleURL
	return u, c.call(ctx, http.MethodPost, consolePath, nil, &u)
}

// RevokeConsole ends all sessions of the console and closes its port.
func (c *Client) RevokeConsole(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, consolePath, nil, nil)
}

// ResetRole takes back the choice of a role: clients get the credentials of the configuration again.
func (c *Client) ResetRole(ctx context.Context) error {
	var who api.Who // the daemon may answer with it
	return c.call(ctx, http.MethodDelete, "/v1/credentials/choice", nil, &who)
}
