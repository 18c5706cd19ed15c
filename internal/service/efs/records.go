package efs

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/efs/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// The tables. The key of a record is the id of its resource.
var (
	FileSystems = store.NewTable("efs-file-system",
		store.Index[FileSystem]{Name: "token", Values: func(f FileSystem) []string { return []string{f.Token} }},
	).Version(2, handler.TagsAsMap)
	// Volumes are the observed state of file systems, by their ids.
	Volumes      = store.NewTable[Volume]("efs-volume")
	MountTargets = store.NewTable("efs-mount-target",
		store.Index[MountTarget]{Name: byFileSystem, Values: func(m MountTarget) []string { return []string{m.FileSystem} }},
	)
	// Attachments are the network interfaces of mount targets, by their ids.
	Attachments  = store.NewTable[Attachment]("efs-attachment")
	AccessPoints = store.NewTable("efs-access-point",
		store.Index[AccessPoint]{Name: byFileSystem, Values: func(p AccessPoint) []string { return []string{p.FileSystem} }},
		store.Index[AccessPoint]{Name: "token", Values: func(p AccessPoint) []string { return []string{p.Token} }},
	).Version(2, handler.TagsAsMap)
)

const byFileSystem = "file-system"

// FileSystem is a file system that is wanted. Handlers write it. Efs/volumes deletes
// it once the directory is gone.
type FileSystem struct {
	ID              string
	Token           string // no two file systems have the same
	Created         time.Time
	PerformanceMode string
	ThroughputMode  string
	Provisioned     float64           `json:",omitempty"` // MiB a second; kept without effect, as both modes are
	Backup          string            `json:",omitempty"` // a types.Status; "" when nobody has set it; kept without effect
	Lifecycle       []LifecyclePolicy `json:",omitempty"` // kept without effect
	Tags            handler.Tags      // empty, not nil, when it had some
	Policy          Policy            `json:",omitzero"`
	Encrypted       bool              // it may be on an encrypted disk only
	Deleted         bool              // it is to go, with all that is in it
}

// Policy is who may do what with a file system.
type Policy struct {
	Text string            `json:",omitempty"` // as it was set; "" when AWS's default policy counts
	IDs  map[string]string `json:",omitempty"` // the unique ids of the users and roles that it names by their ARNs
}

// LifecyclePolicy says when files are to move to another storage class, or back. One of its fields is set.
type LifecyclePolicy struct {
	ToIA, ToArchive, ToPrimary string `json:",omitempty"`
}

// Volume is the directory of a file system. efs/volumes writes it.
type Volume struct {
	FileSystem string
	Bytes      int64
	Metered    time.Time // when Bytes was measured; zero before the first time
	Lost       bool      // the directory has disappeared
}

// MountTarget is a mount target that is wanted. Handlers write it. Efs/attach deletes it.
type MountTarget struct {
	ID         string
	FileSystem string
	Subnet     Subnet
	Groups     []string
	Deleted    bool
}

// Attachment is the network interface of a mount target. Efs/attach writes it before
// it makes the interface, without the ID, so that a crash leaves none behind.
type Attachment struct {
	MountTarget string
	ID          string // eni-…
	Addr        netip.Addr
	Groups      []string
}

// AccessPoint shows a directory of a file system as its root, to one user.
type AccessPoint struct {
	ID         string
	FileSystem string
	Token      string // no two access points have the same
	Root       string // absolute and clean
	Creation   *Creation
	User       *User
	Tags       handler.Tags // empty, not nil, when it had some
}

// Creation says how the root directory of an access point is made when it is missing.
type Creation struct {
	UID, GID    int64
	Permissions string // octal
}

// User is the user as whom files are accessed.
type User struct{ UID, GID int64 }

func noFileSystem(id string) error {
	return &types.FileSystemNotFound{Message: new(fmt.Sprintf("File system '%s' does not exist.", id))}
}

func noMountTarget(id string) error {
	return &types.MountTargetNotFound{Message: new(fmt.Sprintf("Mount target '%s' does not exist.", id))}
}

func noAccessPoint(id string) error {
	return &types.AccessPointNotFound{Message: new(fmt.Sprintf("Access point '%s' does not exist.", id))}
}

func getFileSystem(tx store.Tx, id string) (FileSystem, error) {
	return handler.Get(tx, FileSystems, id, noFileSystem)
}

// State returns the state of a file system, and its volume when it has one.
func (f FileSystem) State(tx store.Tx) (types.LifeCycleState, Volume, error) {
	v, there, err := handler.Find(tx, Volumes, f.ID)
	switch {
	case err != nil:
		return "", v, err
	case f.Deleted:
		return types.LifeCycleStateDeleting, v, nil
	case !there:
		return types.LifeCycleStateCreating, v, nil
	case v.Lost:
		return types.LifeCycleStateError, v, nil
	}
	return types.LifeCycleStateAvailable, v, nil
}

// available returns a file system that is available, and so can be changed.
func available(tx store.Tx, id string) (FileSystem, error) {
	f, err := getFileSystem(tx, id)
	if err != nil {
		return f, err
	}
	state, _, err := f.State(tx)
	if err == nil && state != types.LifeCycleStateAvailable {
		err = &types.IncorrectFileSystemLifeCycleState{
			Message: new(fmt.Sprintf("File system '%s' is in the life cycle state '%s'; it must be 'available'.", id, state)),
		}
	}
	return f, err
}

// TargetsOf returns the mount targets of a file system.
func TargetsOf(tx store.Tx, fileSystem string) ([]MountTarget, error) {
	return MountTargets.By(tx, byFileSystem, fileSystem)
}

// PointsOf returns the access points of a file system.
func PointsOf(tx store.Tx, fileSystem string) ([]AccessPoint, error) {
	return AccessPoints.By(tx, byFileSystem, fileSystem)
}

// State returns the state of a mount target, and its interface when it has one.
func (m MountTarget) State(tx store.Tx) (types.LifeCycleState, Attachment, error) {
	at, _, err := handler.Find(tx, Attachments, m.ID)
	switch {
	case err != nil:
		return "", at, err
	case m.Deleted:
		return types.LifeCycleStateDeleting, at, nil
	case at.ID == "":
		return types.LifeCycleStateCreating, at, nil
	}
	return types.LifeCycleStateAvailable, at, nil
}

// Tables are all that the service keeps records in.
func Tables() []store.Schema {
	return []store.Schema{
		FileSystems, Volumes, MountTargets, Attachments, AccessPoints,
	}
}
