package app

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
)

// ownGrant is the grant of clients that no role is for: that of the chosen role, or the file's own.
func (in *Inputs) ownGrant() grant {
	if in.Choice == "" {
		return ownGrant(in.Config.Config)
	}
	return roleGrant(in.Config.Config, in.Choice)
}

// ownInstance is the file's own instance, with the credentials of the chosen role if there is one.
func (in *Inputs) ownInstance() (config.Instance, []byte) {
	if in.Choice == "" {
		return in.Config.Config.Instance, in.Config.UserData
	}
	return in.Config.InstanceOf(caller.None, in.ownGrant().credentials)
}

// choices are the names that ChooseCredentials takes.
func (in *Inputs) choices() []string {
	return append([]string{""}, slices.Sorted(maps.Keys(in.Config.Config.Roles))...)
}

// ChooseCredentials makes clients that get the file's own credentials get those of an entry of roles; "" is the file's own again. It
// lasts until the daemon ends, or a reload finds no such role. Errors are *api.Refusal.
func (a *App) ChooseCredentials(role string, by api.Peer) (api.Who, error) {
	err := a.change(func(in *Inputs) error {
		switch {
		case in.Choice == role:
			return errSame
		case in.Cluster != nil:
			return &api.Refusal{Status: http.StatusConflict, Text: "each pod has a role of its own, or none; there are no credentials of the file's own to choose"}
		case !slices.Contains(in.choices(), role):
			return &api.Refusal{
				Status: http.StatusUnprocessableEntity, Field: "role",
				Text: "role: " + quoted(role) + " is not one of roles; " + choicesText(in.choices()),
			}
		}
		in.Choice = role
		return nil
	})
	refused, isRefusal := errors.AsType[*api.Refusal](err)
	switch {
	case errors.Is(err, errSame):
	case isRefusal:
		return api.Who{}, refused
	case err != nil:
		return api.Who{}, refusal(err)
	case role == "":
		a.log.Warn("credentials switched back", by.Attrs()...)
	default:
		a.log.Warn("credentials switched", append([]any{"role", role, "hint", "mock-ec2-metadata console --reset undoes it"}, by.Attrs()...)...)
	}
	return a.Who(), nil
}

func choicesText(all []string) string {
	if len(all) == 1 {
		return "the configuration has none; add it there"
	}
	return "choose one of: " + names(all[1:])
}

// quoted quotes what a client has sent, a beginning of it if it is long.
func quoted(text string) string {
	const most = 64
	if len(text) > most {
		return strconv.Quote(text[:most]) + "..."
	}
	return strconv.Quote(text)
}

// RenewCredentials has the credentials renewed that clients get where no role is for them. It does not wait. Its error is an *api.Refusal.
func (a *App) RenewCredentials(by api.Peer) (api.Who, error) {
	keeper := a.State().Keeper
	if keeper == nil {
		return api.Who{}, &api.Refusal{Status: http.StatusConflict, Text: "there are no credentials to renew: the instance has no profile"}
	}
	a.log.Info("renewing credentials", by.Attrs()...)
	keeper.Renew()
	return a.Who(), nil
}
