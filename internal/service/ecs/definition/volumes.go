package definition

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs"
)

// checkVolumes checks a task's volumes: those that live as long as the task,
// and those of EFS, which the task's role may mount.
func checkVolumes(f *ecs.Faults, volumes []types.Volume, role string) {
	var names []string
	for _, v := range volumes {
		name := aws.ToString(v.Name)
		if !ecs.ValidName(name) {
			f.Add("Invalid volume name '%s': up to 255 letters (uppercase and lowercase), numbers, underscores, and hyphens are allowed.", name)
		}
		if kinds(v) > 1 {
			f.Add("When the volume parameter is specified, only one volume configuration type should be used. (Volume '%s' has %d.)", name, kinds(v))
		}
		if v.Host != nil && aws.ToString(v.Host.SourcePath) != "" {
			lacks(f, "sourcePath", "volume '"+name+"'")
		}
		if v.DockerVolumeConfiguration != nil {
			lacks(f, "dockerVolumeConfiguration", "volume '"+name+"'")
		}
		checkEFS(f, name, v.EfsVolumeConfiguration, role)
		names = append(names, name)
	}
	if name, twice := duplicate(names); twice {
		f.Add("Volume names must be unique within a task definition: '%s' is there twice.", name)
	}
}

// kinds counts how many kinds of volume a volume is to be at once.
func kinds(v types.Volume) (n int) {
	for _, is := range []bool{
		v.Host != nil && aws.ToString(v.Host.SourcePath) != "", v.DockerVolumeConfiguration != nil, v.EfsVolumeConfiguration != nil,
	} {
		if is {
			n++
		}
	}
	return n
}

var (
	fileSystemForm  = regexp.MustCompile(`^fs-[0-9a-f]{8,40}$`)
	accessPointForm = regexp.MustCompile(`^fsap-[0-9a-f]{8,40}$`)
)

// checkEFS checks a volume of EFS. Whether its file system exists is known when
// a task starts, as on ECS.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_EFSVolumeConfiguration.html
func checkEFS(f *ecs.Faults, volume string, e *types.EFSVolumeConfiguration, role string) {
	if e == nil {
		return
	}
	root, encrypted, port := aws.ToString(e.RootDirectory), e.TransitEncryption == types.EFSTransitEncryptionEnabled, e.TransitEncryptionPort
	if !fileSystemForm.MatchString(aws.ToString(e.FileSystemId)) {
		f.Add("Invalid fileSystemId '%s' of volume '%s': it must be the id of an EFS file system, fs-….", aws.ToString(e.FileSystemId), volume)
	}
	if root != "" && (!path.IsAbs(root) || slices.Contains(strings.Split(root, "/"), "..")) {
		f.Add("Invalid rootDirectory '%s' of volume '%s': it must be an absolute path without '..'.", root, volume)
	}
	switch {
	case port != nil && !encrypted:
		f.Add("TransitEncryptionPort requires that TransitEncryption is enabled. (Volume '%s'.)", volume)
	case port != nil && (*port < 1 || *port > 65535):
		f.Add("Invalid transitEncryptionPort of volume '%s': it must be between 1 and 65535.", volume)
	}
	if e.AuthorizationConfig != nil {
		checkAccess(f, volume, *e.AuthorizationConfig, root, encrypted)
		if e.AuthorizationConfig.Iam == types.EFSAuthorizationConfigIAMEnabled && role == "" {
			f.Add("EFS IAM authorization requires a task role. (Volume '%s'.)", volume)
		}
	}
}

// checkAccess checks how a task gets into a file system.
func checkAccess(f *ecs.Faults, volume string, auth types.EFSAuthorizationConfig, root string, encrypted bool) {
	if point := aws.ToString(auth.AccessPointId); point != "" {
		if !accessPointForm.MatchString(point) {
			f.Add("Invalid accessPointId '%s' of volume '%s': it must be the id of an EFS access point, fsap-….", point, volume)
		}
		if root != "" && root != "/" {
			f.Add(`When using an EFS access point, the root directory must either be set to "/" or be omitted. (Volume '%s'.)`, volume)
		}
		if !encrypted {
			f.Add("EFS IAM access point requires TransitEncryption to be enabled. (Volume '%s'.)", volume)
		}
	}
	if auth.Iam == types.EFSAuthorizationConfigIAMEnabled && !encrypted {
		f.Add("EFS IAM authorization requires TransitEncryption to be enabled. (Volume '%s'.)", volume)
	}
}

// checkMounts checks where a container has the task's volumes.
func checkMounts(f *ecs.Faults, c *types.ContainerDefinition, name string, volumes []types.Volume) {
	var paths []string
	for _, m := range c.MountPoints {
		source, at := aws.ToString(m.SourceVolume), aws.ToString(m.ContainerPath)
		if !slices.ContainsFunc(volumes, func(v types.Volume) bool { return aws.ToString(v.Name) == source }) {
			f.Add("Unknown volume '%s'. (In mountPoints of container '%s'.)", source, name)
		}
		if !path.IsAbs(at) {
			setting(f, "mountPoints", name, "containerPath '%s' must be an absolute path", at)
		}
		paths = append(paths, path.Clean(at))
	}
	if c.LinuxParameters != nil {
		for _, t := range c.LinuxParameters.Tmpfs {
			paths = append(paths, path.Clean(aws.ToString(t.ContainerPath)))
		}
	}
	if at, twice := duplicate(paths); twice {
		setting(f, "mountPoints", name, "two volumes are to be at %s", at)
	}
}

// completeVolumes fills in what ECS fills in: a volume that is nothing else is
// an empty directory of the host.
func completeVolumes(in []types.Volume) []types.Volume {
	volumes := completed(in)
	for i := range volumes {
		if v := &volumes[i]; v.Host == nil && kinds(*v) == 0 {
			v.Host = &types.HostVolumeProperties{}
		}
	}
	return volumes
}
