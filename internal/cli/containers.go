package cli

import (
	"log/slog"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/docker"
)

// containerLocator makes what knows the containers of this machine.
func containerLocator(log *slog.Logger) app.NewLocator {
	return func(c config.Containers) (app.Locator, error) {
		l, err := docker.New(docker.Options{Engine: c.Engine, Role: c.Role, Log: log, Now: time.Now})
		if err != nil {
			return nil, err
		}
		return engineLocator{l, c.Engine}, nil
	}
}

// engineLocator tells /status about a docker.Locator.
type engineLocator struct {
	*docker.Locator
	engine string
}

// Status describes the connection to the engine.
func (e engineLocator) Status() *api.Containers {
	s := e.Locator.Status()
	return &api.Containers{Engine: e.engine, Connected: s.Connected, Containers: s.Containers, Error: s.Error}
}
