package db

import (
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// passUUIDs makes the driver send and read ids as 16 bytes, by themselves, in arrays
// and in COPY. Without it the driver uses their SQL methods, which speak text.
func passUUIDs(m *pgtype.Map) {
	m.TryWrapEncodePlanFuncs = append([]pgtype.TryWrapEncodePlanFunc{encodeUUID}, m.TryWrapEncodePlanFuncs...)
	m.TryWrapScanPlanFuncs = append([]pgtype.TryWrapScanPlanFunc{scanUUID}, m.TryWrapScanPlanFuncs...)
}

// uuidValue is an id as the driver knows it.
type uuidValue uuid.UUID

func (u uuidValue) UUIDValue() (pgtype.UUID, error) {
	return pgtype.UUID{Bytes: u, Valid: true}, nil
}

func (u *uuidValue) ScanUUID(v pgtype.UUID) error {
	*u = v.Bytes // zero for NULL
	return nil
}

func encodeUUID(value any) (pgtype.WrappedEncodePlanNextSetter, any, bool) {
	switch id := value.(type) {
	case uuid.UUID:
		return &uuidEncodePlan{}, uuidValue(id), true
	case *uuid.UUID: // not nil: NULL needs no plan
		return &uuidEncodePlan{}, uuidValue(*id), true
	}
	return nil, nil, false
}

type uuidEncodePlan struct{ next pgtype.EncodePlan }

func (p *uuidEncodePlan) SetNext(next pgtype.EncodePlan) { p.next = next }

func (p *uuidEncodePlan) Encode(value any, buf []byte) ([]byte, error) {
	if id, ok := value.(*uuid.UUID); ok {
		return p.next.Encode(uuidValue(*id), buf)
	}
	return p.next.Encode(uuidValue(value.(uuid.UUID)), buf)
}

func scanUUID(target any) (pgtype.WrappedScanPlanNextSetter, any, bool) {
	id, ok := target.(*uuid.UUID)
	return &uuidScanPlan{}, (*uuidValue)(id), ok
}

type uuidScanPlan struct{ next pgtype.ScanPlan }

func (p *uuidScanPlan) SetNext(next pgtype.ScanPlan) { p.next = next }

func (p *uuidScanPlan) Scan(src []byte, target any) error {
	return p.next.Scan(src, (*uuidValue)(target.(*uuid.UUID)))
}
