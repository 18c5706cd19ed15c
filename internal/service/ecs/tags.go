package ecs

import (
	"maps"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/handler"
)

// The tags that ECS itself puts on tasks.
const (
	clusterTag = "aws:ecs:clusterName"
	serviceTag = "aws:ecs:serviceName"
)

// TaskTags are the tags of a new task of the service.
func (s *Service) TaskTags(ofDefinition handler.Tags) handler.Tags {
	return NewTaskTags(s.PropagateTags, ofDefinition, s.Tags, nil, s.ManagedTags, s.Cluster, s.Name)
}

// NewTaskTags are the tags of a new task: those that are propagated to it, its own over them, and ECS's. Service is ""
// for a task that no service runs. It returns nil when there are none.
func NewTaskTags(p types.PropagateTags, ofDefinition, ofService, own handler.Tags, managed bool, cluster, service string) handler.Tags {
	tags := handler.Tags{}
	switch p {
	case types.PropagateTagsTaskDefinition:
		maps.Copy(tags, ofDefinition)
	case types.PropagateTagsService:
		maps.Copy(tags, ofService)
	}
	maps.Copy(tags, own)
	if managed {
		tags[clusterTag] = cluster
		if service != "" {
			tags[serviceTag] = service
		}
	}
	if len(tags) == 0 {
		return nil
	}
	return tags
}
