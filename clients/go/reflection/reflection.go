// Package reflection serves what a peer needs to call services by JSON: their names and their schemas.
package reflection

import (
	"context"
	"slices"

	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	pb "github.com/dswarm/dswarm/clients/go/gen/dswarm/v1"
	"github.com/dswarm/dswarm/clients/go/health"
	"github.com/dswarm/dswarm/clients/go/rpc"
	"github.com/dswarm/dswarm/clients/go/status"
)

// Register has a server tell of its services, those that are registered later too.
func Register(server *rpc.Server) {
	pb.RegisterReflectionServiceServer(server, &service{server: server})
}

type service struct {
	pb.UnimplementedReflectionServiceServer
	server *rpc.Server
}

func (s *service) ListServices(context.Context, *pb.ListServicesRequest) (*pb.ListServicesResponse, error) {
	return &pb.ListServicesResponse{Services: s.server.Services()}, nil
}

func (s *service) GetDescriptors(_ context.Context, in *pb.GetDescriptorsRequest) (*pb.GetDescriptorsResponse, error) {
	name := in.GetService()
	if !slices.Contains(s.server.Services(), name) {
		return nil, status.Errorf(status.NotFound, "there is no such service")
	}
	var file protoreflect.FileDescriptor
	if name == health.ServiceName {
		file = health.File // in no registry: other packages may register the same
	} else {
		found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
		if err != nil {
			return nil, status.Errorf(status.NotFound, "there is no schema of the service")
		}
		file = found.ParentFile()
	}
	set := &descriptorpb.FileDescriptorSet{}
	collect(file, map[string]bool{}, set)
	return &pb.GetDescriptorsResponse{Files: set}, nil
}

// collect adds a file after those that it imports.
func collect(file protoreflect.FileDescriptor, seen map[string]bool, set *descriptorpb.FileDescriptorSet) {
	if seen[file.Path()] {
		return
	}
	seen[file.Path()] = true
	for i := range file.Imports().Len() {
		collect(file.Imports().Get(i).FileDescriptor, seen, set)
	}
	set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
}
