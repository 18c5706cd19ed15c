package tidy

import (
	"cmp"
	"errors"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/store"
)

// Users returns who needs which image, by the image's reference: tasks that aren't
// stopped, and services whose deployments run it, may start it, or may roll back to it. The
// definition of such a service names images by tag or digest; they count, too.
func Users(tx store.Tx) (map[string]string, error) {
	u := users{}
	for task, err := range ecs.Tasks.Peek(tx, "") {
		if err != nil {
			return nil, err
		}
		if task.Status == ecs.Stopped {
			continue
		}
		for _, c := range task.Containers {
			u.add(cmp.Or(c.Pinned, c.Image), "task "+task.ID)
		}
	}
	for d, err := range ecs.Deployments.Peek(tx, "") {
		if err != nil {
			return nil, err
		}
		if err := u.revision(tx, d.Service, d.Revision()); err != nil {
			return nil, err
		}
	}
	for d, err := range ecs.ServiceDeployments.Peek(tx, "") {
		if err != nil {
			return nil, err
		}
		if !d.Open() {
			continue
		}
		for _, id := range []string{d.Target, d.Fallback} {
			if err := u.revision(tx, d.Service, id); err != nil {
				return nil, err
			}
		}
	}
	return u, nil
}

// users is who needs an image, by its reference.
type users map[string]string

func (u users) add(image, who string) {
	if image != "" && u[image] == "" {
		u[image] = who
	}
}

// revision adds the images of a service's revision, and those that its definition names.
func (u users) revision(tx store.Tx, service, id string) error {
	r, err := ecs.ServiceRevisions.Get(tx, service+"/"+id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, image := range r.Images {
		u.add(image, "service "+service)
	}
	d, err := ecs.DefinitionByARN(tx, r.TaskDefinition)
	if r.TaskDefinition == "" || errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, c := range d.Definition.ContainerDefinitions {
		if c.Image != nil {
			u.add(*c.Image, "service "+service)
		}
	}
	return nil
}
