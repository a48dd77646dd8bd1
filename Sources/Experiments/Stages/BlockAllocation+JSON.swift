import BitAllocation
import JSON

extension BlockAllocation {
  /// The output of `assay allocate` for neurons: slices of each expert in rank order.
  ///
  /// - Throws: ``EncodingError`` if the record of a search holds what JSON cannot say.
  public func json() throws -> JSONValue {
    var object = JSONObject([
      ("allocator", JSONValue(blocks.allocator)), ("granularity", "neuron"),
      (
        "plan",
        .object(
          JSONObject(
            plan.entries.map { entry in
              (
                entry.unit,
                .array(
                  entry.slices.map {
                    ["bits": JSONValue($0.bits), "neurons": JSONValue($0.neurons)]
                  })
              )
            }))
      ), ("objective", loss.map { JSONValue($0) } ?? .null),
    ])
    if let certificate {
      object["lowerBound"] = JSONValue(certificate.lowerBound)
      object["gap"] = JSONValue(certificate.gap)
      object["isOptimal"] = JSONValue(certificate.isOptimal)
      object["pricePerByte"] = certificate.pricePerByte.map { JSONValue($0) } ?? .null
      object["prices"] = certificate.pricesJSON
      object["freeUnits"] = certificate.freeUnits.map { JSONValue($0) }
    }
    object["solver"] = blocks.solver.map { JSONValue($0) }
    object["bits"] = ["expert-code-bits": JSONValue(bits)]
    object["limits"] = .array(
      blocks.limits.map {
        [
          "name": JSONValue($0.name), "bound": JSONValue($0.bound), "used": JSONValue($0.used),
          "slack": JSONValue($0.slack),
        ]
      })
    object["forced"] = JSONValue(blocks.forced)
    object["rank"] = [JSONValue(rank.lowerBound), JSONValue(rank.upperBound)]
    object["neuronBlocks"] = ["size": JSONValue(blockSize)]
    if let search = blocks.search { object["search"] = try JSONValue(encoding: search) }
    return .object(object)
  }
}
