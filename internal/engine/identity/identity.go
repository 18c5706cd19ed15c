// Package identity finds out which user and group a container runs as, in the way
// of Docker and containerd: from the user's name and the image's /etc/passwd and
// /etc/group.
package identity

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/moby/sys/user"

	"github.com/skylift/skylift/internal/engine"
)

// Of returns the user and group of a container whose definition says who: "", a
// name or a number, with or without a group after a colon. It asks for the
// image's /etc/passwd and /etc/group (empty where the image lacks them) only when
// they matter. The error is a *engine.StartError when the files don't have the
// user or the group.
func Of(who string, accounts func() (passwd, group []byte, err error)) (engine.Identity, error) {
	if id, ok := numbers(who); ok {
		return id, nil
	}
	passwd, group, err := accounts()
	if err != nil {
		return engine.Identity{}, err
	}
	is, _, err := Groups(who, passwd, group)
	return is, err
}

// Groups returns who a container runs as, and which groups it has besides. The
// error is a *engine.StartError.
func Groups(who string, passwd, group []byte) (is engine.Identity, more []uint32, err error) {
	found, err := user.GetExecUser(who, nil, bytes.NewReader(passwd), bytes.NewReader(group))
	if err != nil {
		return is, nil, &engine.StartError{Reason: err.Error()}
	}
	for _, g := range found.Sgids {
		more = append(more, uint32(g)) // the files' numbers are checked to be of 31 bits
	}
	return engine.Identity{UID: int64(found.Uid), GID: int64(found.Gid)}, more, nil
}

// numbers reads a user that needs none of the image's files: "", or uid:gid.
func numbers(who string) (engine.Identity, bool) {
	if who == "" {
		return engine.Identity{}, true
	}
	u, g, _ := strings.Cut(who, ":")
	uid, errUser := strconv.ParseUint(u, 10, 31)
	gid, errGroup := strconv.ParseUint(g, 10, 31)
	return engine.Identity{UID: int64(uid), GID: int64(gid)}, errUser == nil && errGroup == nil
}
