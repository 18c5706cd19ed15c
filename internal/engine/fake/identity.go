package fake

import (
	"context"
	"strconv"
	"strings"

	"github.com/skylift/skylift/internal/engine"
)

// Identity returns who a container runs as: the image's own user is the
// configuration's, and its accounts are the configuration's too.
func (e *Engine) Identity(ctx context.Context, image, user string) (engine.Identity, error) {
	if err := e.enter(ctx, "Identity"); err != nil {
		return engine.Identity{}, err
	}
	if user == "" {
		user = e.config.Users[image].Default
	}
	accounts := e.config.Users[image].Accounts
	name, group, grouped := strings.Cut(user, ":")
	var id engine.Identity
	if uid, err := strconv.ParseInt(name, 10, 32); err == nil {
		id.UID = uid
		for _, a := range accounts {
			if a.UID == uid {
				id = a
			}
		}
	} else if a, known := accounts[name]; known {
		id = a
	} else if name != "" && name != "root" {
		return id, &engine.StartError{Reason: "unable to find user " + name + ": no matching entries in passwd file"}
	}
	if gid, err := strconv.ParseInt(group, 10, 32); err == nil {
		id.GID = gid
	} else if a, known := accounts[group]; known {
		id.GID = a.GID
	} else if grouped {
		return id, &engine.StartError{Reason: "unable to find group " + group + ": no matching entries in group file"}
	}
	return id, nil
}

// Users are the accounts of an image.
type Users struct {
	Default  string                     // the image's own user
	Accounts map[string]engine.Identity // by name, which is also the group's
}
