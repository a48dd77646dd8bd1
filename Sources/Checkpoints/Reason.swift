extension String {
  /// A reason as a part of a longer sentence: without a full stop of its own.
  var asClause: Substring { hasSuffix(".") ? dropLast() : self[...] }
}
