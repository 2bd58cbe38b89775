// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

/// A wallet with one owner, who may hand it over. It accepts 65 bytes r, s, v (27 or 28) of its owner.
contract OwnedWallet {
    address public owner;

    constructor(address first) {
        owner = first;
    }

    function rotate(address next) external virtual {
        require(msg.sender == owner, "not the owner");
        owner = next;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        if (signature.length != 65) return 0xffffffff;
        bytes32 r = bytes32(signature[0:32]);
        bytes32 s = bytes32(signature[32:64]);
        address signer = ecrecover(digest, uint8(signature[64]), r, s);
        return signer != address(0) && signer == owner ? bytes4(0x1626ba7e) : bytes4(0xffffffff);
    }
}

/// One whose owner anybody may change.
contract CarelessWallet is OwnedWallet {
    constructor(address first) OwnedWallet(first) {}

    function rotate(address next) external override {
        owner = next;
    }
}

/// Makes wallets at addresses that are known beforehand (CREATE2).
contract WalletFactory {
    function addressOf(address owner, bytes32 salt) public view returns (address) {
        bytes32 code = keccak256(abi.encodePacked(type(OwnedWallet).creationCode, abi.encode(owner)));
        return address(uint160(uint256(keccak256(abi.encodePacked(bytes1(0xff), address(this), salt, code)))));
    }

    function deploy(address owner, bytes32 salt) external returns (address) {
        return address(new OwnedWallet{salt: salt}(owner));
    }
}
