package ecs

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// checkVolumes checks a task's volumes: those that live as long as the task,
// and those of EFS.
func checkVolumes(volumes []types.Volume) error {
	var names []string
	for _, v := range volumes {
		name := aws.ToString(v.Name)
		if !nameForm.MatchString(name) {
			return client("Invalid volume name '%s': up to 255 letters (uppercase and lowercase), numbers, underscores, and hyphens are allowed.", name)
		}
		if kinds(v) > 1 {
			return client("When the volume parameter is specified, only one volume configuration type should be used.")
		}
		switch {
		case v.Host != nil && aws.ToString(v.Host.SourcePath) != "":
			return fargateLacks("sourcePath")
		case v.DockerVolumeConfiguration != nil:
			return fargateLacks("dockerVolumeConfiguration")
		}
		if err := checkEFS(name, v.EfsVolumeConfiguration); err != nil {
			return err
		}
		names = append(names, name)
	}
	if name, twice := duplicate(names); twice {
		return client("Volume names must be unique within a task definition: '%s' is there twice.", name)
	}
	return nil
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
func checkEFS(volume string, e *types.EFSVolumeConfiguration) error {
	if e == nil {
		return nil
	}
	root, encrypted, port := aws.ToString(e.RootDirectory), e.TransitEncryption == types.EFSTransitEncryptionEnabled, e.TransitEncryptionPort
	auth := e.AuthorizationConfig
	if auth == nil {
		auth = &types.EFSAuthorizationConfig{}
	}
	point, iam := aws.ToString(auth.AccessPointId), auth.Iam == types.EFSAuthorizationConfigIAMEnabled
	switch {
	case !fileSystemForm.MatchString(aws.ToString(e.FileSystemId)):
		return client("Invalid fileSystemId '%s' of volume '%s': it must be the id of an EFS file system, fs-….", aws.ToString(e.FileSystemId), volume)
	case root != "" && (!path.IsAbs(root) || slices.Contains(strings.Split(root, "/"), "..")):
		return client("Invalid rootDirectory '%s' of volume '%s': it must be an absolute path without '..'.", root, volume)
	case port != nil && !encrypted:
		return client("TransitEncryptionPort requires that TransitEncryption is enabled.")
	case port != nil && (*port < 1 || *port > 65535):
		return client("Invalid transitEncryptionPort of volume '%s': it must be between 1 and 65535.", volume)
	case point != "" && !accessPointForm.MatchString(point):
		return client("Invalid accessPointId '%s' of volume '%s': it must be the id of an EFS access point, fsap-….", point, volume)
	case point != "" && root != "" && root != "/":
		return client(`When using an EFS access point, the root directory must either be set to "/" or be omitted.`)
	case point != "" && !encrypted:
		return client("EFS IAM access point requires TransitEncryption to be enabled.")
	case iam && !encrypted:
		return client("EFS IAM authorization requires TransitEncryption to be enabled.")
	case iam:
		return client("The parameter 'iam' of 'authorizationConfig of volume %s' is not supported by Skylift.", volume)
	}
	return nil
}

// checkMounts checks where a container has the task's volumes.
func checkMounts(c *types.ContainerDefinition, volumes []types.Volume) error {
	var paths []string
	for _, m := range c.MountPoints {
		source, at := aws.ToString(m.SourceVolume), aws.ToString(m.ContainerPath)
		if !slices.ContainsFunc(volumes, func(v types.Volume) bool { return *v.Name == source }) {
			return client("Unknown volume '%s'.", source)
		}
		if !path.IsAbs(at) {
			return wrong("mountPoints", *c.Name, "containerPath '%s' must be an absolute path", at)
		}
		paths = append(paths, path.Clean(at))
	}
	if c.LinuxParameters != nil {
		for _, t := range c.LinuxParameters.Tmpfs {
			paths = append(paths, path.Clean(aws.ToString(t.ContainerPath)))
		}
	}
	if at, twice := duplicate(paths); twice {
		return wrong("mountPoints", *c.Name, "two volumes are to be at %s", at)
	}
	return nil
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
