package tasks

import (
	"fmt"
	"strings"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
)

// NoImage finds images that can't be pulled.
var NoImage = finding.Check{
	Number: 16, Name: "no-image", Title: "The image can't be pulled",
	Shows: "Tasks stop with CannotPullContainerError.",
	Known: "What the registry said: no such repository, no such tag, no permission, or no registry there.",
	Mend:  "Push the image, correct its name, or give the execution role its permissions.",
	Find:  func(s *snapshot.Snapshot) []finding.Finding { return each(s, noImage) },
}

func noImage(s *snapshot.Snapshot, f failure) (finding.Finding, bool) {
	c := f.container
	if c == nil || !strings.Contains(f.said(), "CannotPullContainerError") {
		return finding.Finding{}, false
	}
	said := strings.ToLower(f.said())
	repository, tag := parts(c.Image)
	is := func(cause string, mends ...finding.Mend) (finding.Finding, bool) {
		out := f.finding(s, "image/"+c.Image, cause)
		out.Mend = append(mends, again(s, f, "and try again at once")...)
		return out, true
	}
	switch {
	case strings.Contains(said, "check that the role has the permissions"):
		return is(fmt.Sprintf("the execution role of %s may not pull %s", f.who(), c.Image),
			finding.Do("let it", finding.NewCall("iam", "AttachRolePolicy", "RoleName", s.ExecutionRole(f.task), "PolicyArn", "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy")))
	case strings.Contains(said, "repository does not exist"):
		return is(fmt.Sprintf("%s: there is no repository %s in this registry", f.who(), repository),
			finding.Do("make it", finding.NewCall("ecr", "CreateRepository", "repositoryName", repository)), finding.Run("and push the image", "docker push "+c.Image))
	case strings.Contains(said, "no space left"):
		return is(fmt.Sprintf("the disk has no room for image %s of %s", c.Image, f.who()), finding.Change("make room on the disk: skylift status tells what takes it"))
	case strings.Contains(said, "not found"):
		return is(fmt.Sprintf("%s: repository %s has no image %s", f.who(), repository, tag),
			finding.Run("push it", "docker push "+c.Image), finding.Do("or see which there are", finding.NewCall("ecr", "ListImages", "repositoryName", repository)))
	case strings.Contains(said, "unauthorized"), strings.Contains(said, "denied"), strings.Contains(said, "authentication required"):
		return is(fmt.Sprintf("the registry of image %s doesn't let %s pull it", c.Image, f.who()),
			finding.Change("keep the registry's login in a secret, and name it in the definition's repositoryCredentials"))
	}
	return is(fmt.Sprintf("the registry of image %s of %s can't be reached, or doesn't answer as one", c.Image, f.who()), finding.Change("look at the image's name, and whether this machine reaches that registry"))
}

// parts cuts an image's name into its repository, without the registry's host, and its tag or digest.
func parts(image string) (repository, version string) {
	name, digest, byDigest := strings.Cut(image, "@")
	if host, rest, ok := strings.Cut(name, "/"); ok && strings.ContainsAny(host, ".:") {
		name = rest
	}
	repository, version, tagged := strings.Cut(name, ":")
	if byDigest {
		return repository, digest
	}
	if !tagged {
		version = "latest"
	}
	return repository, version
}
