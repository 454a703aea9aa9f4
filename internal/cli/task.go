package cli

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/sdkenv"
)

// authorizationOf is what clients of a daemon's credentials must send: what the user's own configuration says, and nothing that a
// daemon says, which could name any file. loaded is nil if the configuration is wrong.
func authorizationOf(loaded *config.Loaded) sdkenv.Authorization {
	switch {
	case loaded == nil:
		return sdkenv.Authorization{}
	case loaded.Config.ECS.AuthorizationFile != "":
		return sdkenv.Authorization{File: loaded.Config.ECS.AuthorizationFile}
	default:
		return sdkenv.Authorization{Value: loaded.Authorization.Reveal()}
	}
}

// noAuthorization says that a daemon wants an authorization which the configuration does not have; "" if that is not so.
func noAuthorization(s *api.Status, loaded *config.Loaded) string {
	if s.ECS == nil || !s.ECS.Authorization || authorizationOf(loaded) != (sdkenv.Authorization{}) {
		return ""
	}
	return "the daemon's clients must send an Authorization (ecs.authorization), which this configuration does not have; run this with the daemon's configuration"
}

// taskOf is this machine itself as a container of ECS, with the credentials of a role, "" for the daemon's own. found and addresses
// are as for placeOf.
func taskOf(ctx context.Context, s *api.Status, role, found string, addresses []string) (sdkenv.Task, error) {
	if s.ECS == nil || len(s.ECS.Containers) == 0 {
		return sdkenv.Task{}, &noPlace{
			"the daemon at " + api.URL(found) + " tells the ids of tasks to its own machine only, and runs in a container or on another one",
			"run this there, such as: docker exec mock-ec2-metadata /mock-ec2-metadata env --ecs",
		}
	}
	self := s.ECS.Containers[0]
	t := sdkenv.Task{CredentialsID: self.CredentialsID, EndpointID: self.EndpointID, LaunchType: s.ECS.LaunchType, Region: s.ECS.Region}
	if role != "" {
		place, err := placeOf(ctx, s, role, found, addresses)
		if err != nil {
			return sdkenv.Task{}, err
		}
		t.CredentialsID, t.Region = place.id, place.region
	}
	if !isWord(t.CredentialsID) || !isWord(t.EndpointID) || !isWord(t.Region) || !isWord(t.LaunchType) {
		return sdkenv.Task{}, oddStatus("the daemon at " + api.URL(found))
	}
	if slices.Contains(s.ECS.Listen, "169.254.170.2:80") && answersTasks(ctx, sdkenv.ECSURL, t.EndpointID) {
		t.Daemon = sdkenv.ECSURL
		return t, nil
	}
	for _, address := range append([]string{found}, addresses...) {
		if t.Daemon = atLoopback(ctx, s, address); t.Daemon != "" {
			return t, nil
		}
	}
	return sdkenv.Task{}, &noPlace{
		fmt.Sprintf("the daemon at %s listens neither at 169.254.170.2 nor at %s, the only addresses that SDKs take a container's credentials from", api.URL(found), loopbackHost),
		"add " + loopbackHost + ":5000 to server.listen, or set ecs.enabled: true and start it with --link-local",
	}
}

// answersTasks reports whether a daemon answers for an endpoint id, which no other daemon has.
func answersTasks(ctx context.Context, daemon, endpoint string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, daemon+"/v4/"+endpoint, nil)
	if err != nil {
		return false
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// hostPort is the address of a URL.
func hostPort(daemon string) string {
	u, err := url.Parse(daemon)
	if err != nil {
		return daemon
	}
	return u.Host
}
